//! Whether a rate jumps there and back as no car turns.

use crate::crash::thresholds as limit;
use crate::time::MonoTime;

/// One axis.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Jumps {
    last: Option<f32>,
    /// When it jumped, and where from.
    left: Option<(MonoTime, f32)>,
    /// So often it came back, and when it did last.
    count: u8,
    latest: MonoTime,
}

impl Jumps {
    /// Takes a sample in; true when the axis has jumped there and back, and too often not long ago.
    pub(super) fn observe(&mut self, at: MonoTime, dps: f32) -> bool {
        let Some(last) = self.last.replace(dps) else { return false };
        let jump = (dps - last).abs();
        if let Some((left, from)) = self.left.filter(|(left, _)| at.since(*left) <= limit::RATE_JUMP_BACK)
            && at > left
            && jump >= limit::RATE_JUMP_DPS / 2.0
            && (dps - from).abs() <= limit::RATE_JUMP_DPS / 2.0
        {
            self.left = None;
            return self.returned(at);
        }
        if jump >= limit::RATE_JUMP_DPS {
            self.left = Some((at, last));
        }
        false
    }

    fn returned(&mut self, at: MonoTime) -> bool {
        let is_again = at.since(self.latest) <= limit::RECOVERED_AFTER;
        self.count = if is_again { self.count.saturating_add(1) } else { 1 };
        self.latest = at;
        self.count >= limit::RATE_JUMPS
    }
}
