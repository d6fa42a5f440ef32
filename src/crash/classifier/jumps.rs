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
        self.left = self.left.filter(|(left, _)| at.since(*left) <= limit::RATE_JUMP_BACK);
        let Some((left, from)) = self.left else {
            self.left = (jump >= limit::RATE_JUMP_DPS).then_some((at, last));
            return false;
        };
        let is_back = at > left && (dps - from).abs() <= limit::RATE_RETURN_DPS;
        if is_back {
            self.left = None;
        }
        is_back && self.returned(at)
    }

    fn returned(&mut self, at: MonoTime) -> bool {
        let is_again = at.since(self.latest) <= limit::RECOVERED_AFTER;
        self.count = if is_again { self.count.saturating_add(1) } else { 1 };
        self.latest = at;
        self.count >= limit::RATE_JUMPS
    }
}
