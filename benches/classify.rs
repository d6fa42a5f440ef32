//! What one observation costs the crash classifier: `cargo bench --bench classify`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use telltale::crash::{Classifier, Mounting, Observation, Orientation, Quantity, Sample, SensorIx, SensorSpec};
use telltale::time::MonoTime;

fn sensor() -> SensorSpec {
    SensorSpec {
        name: "restraint".to_owned(),
        quantity: Quantity::Acceleration,
        axes: [true; 3],
        range: 490.0,
        rate_hz: 1_000.0,
        noise: 0.5,
        mounting: Mounting::Chassis,
        orientation: Orientation::Stated,
        is_protected: true,
    }
}

/// A second at 1 kHz with the car's speed between: quiet, or with a crash in its middle.
fn second(peak_mps2: f32) -> Vec<(u64, Observation)> {
    let mut told = Vec::new();
    for millisecond in 0..1_000_u16 {
        let noise = f32::from(millisecond % 7) * 0.1;
        let push = if (500..600).contains(&millisecond) { -peak_mps2 } else { 0.0 };
        let axes = [Some(push + noise), Some(noise), Some(9.81 + noise)];
        told.push((u64::from(millisecond), Observation::Sample(Sample { sensor: SensorIx(0), axes })));
        if millisecond % 20 == 0 {
            told.push((u64::from(millisecond), Observation::WheelSpeed(20.0)));
        }
    }
    told
}

fn classify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classifier");
    for (name, peak_mps2) in [("quiet", 0.0), ("crash", 150.0)] {
        let told = second(peak_mps2);
        group.throughput(Throughput::Elements(told.len() as u64));
        group.bench_function(name, |bencher| {
            let mut classifier = Classifier::new(&[sensor()]);
            let mut start_ms = 0;
            bencher.iter(|| {
                start_ms += 10_000;
                for (at_ms, observation) in &told {
                    classifier.observe(MonoTime::from_millis(start_ms + at_ms), black_box(observation));
                }
                while classifier.poll_verdict().is_some() {}
                while classifier.poll_fault().is_some() {}
            });
        });
    }
    group.finish();
}

criterion_group!(benches, classify);
criterion_main!(benches);
