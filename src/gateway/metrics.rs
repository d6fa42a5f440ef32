//! The gateway's counters as a page of metrics. Names, units and meanings: docs/operations.md.

use std::time::Duration;

use crate::can::BusId;
use crate::delivery::Lane;
use crate::delivery::outbox::{LATENCY_BUCKETS_MS, LaneStat};
use crate::metrics::Exposition;
use crate::signals::{Cause, Quality};

use super::Gateway;

/// A figure of a lane: its name, what it is, and where it stands.
type LaneFigure = (&'static str, &'static str, fn(&LaneStat) -> u64);

const LANE_LEVELS: [LaneFigure; 3] = [
    ("telltale_lane_memory_records", "Records in RAM.", |lane| lane.in_memory),
    ("telltale_lane_stored_records", "Records in the store.", |lane| lane.stored),
    ("telltale_lane_stored_bytes", "Their bytes.", |lane| lane.stored_bytes),
];

const LANE_COUNTERS: [LaneFigure; 9] = [
    ("telltale_records_total", "Records made.", |lane| lane.pushed),
    ("telltale_publications_total", "Publications, repeats included.", |lane| lane.published),
    ("telltale_acks_total", "PUBACKs.", |lane| lane.acked),
    ("telltale_evictions_total", "Records given up for want of room.", |lane| lane.evicted),
    ("telltale_refusals_total", "Records refused where they were made.", |lane| lane.refused),
    (
        "telltale_uncommitted_total",
        "Records sent from memory because the store had failed, but for those that the black box keeps.",
        |lane| lane.uncommitted,
    ),
    ("telltale_corrupt_total", "Records of the store that could not be read.", |lane| lane.corrupt),
    ("telltale_missing_total", "Records that should have been in the store and were not.", |lane| lane.missing),
    ("telltale_set_aside_total", "Records that stay in the store until the next start.", |lane| lane.set_aside),
];

impl Gateway {
    /// Writes every figure to the page.
    pub fn expose(&self, page: &mut Exposition) {
        self.expose_buses(page);
        self.expose_signals(page);
        self.expose_gnss(page);
        self.expose_crash(page);
        self.expose_black_box(page);
        self.expose_link(page);
        self.expose_lanes(page);
        self.expose_store(page);
    }

    fn expose_buses(&self, page: &mut Exposition) {
        let buses: Vec<_> = (0_u8..).map(BusId).zip(self.buses.figures()).collect();
        for (_, bus) in &buses {
            let up = f64::from(u8::from(bus.is_up));
            page.gauge("telltale_bus_up", "1 while the CAN interface is up and read.", &[("bus", bus.name)], up);
        }
        for (_, bus) in &buses {
            let labels = [("bus", bus.name), ("state", bus.controller)];
            page.gauge("telltale_bus_state", "1 for the controller's present state (ISO 11898-1).", &labels, 1.0);
        }
        for (id, bus) in &buses {
            let frames = self.intake.counters(*id).map_or(0, |counters| counters.frames);
            page.counter("telltale_frames_total", "Data frames received.", &[("bus", bus.name)], frames);
        }
        for (id, bus) in &buses {
            let unknown = self.intake.counters(*id).map_or(0, |counters| counters.unknown);
            let help = "Data frames whose identifier no DBC file has.";
            page.counter("telltale_frames_unknown_total", help, &[("bus", bus.name)], unknown);
        }
        for (id, bus) in &buses {
            for cause in Cause::ALL {
                let count = self.intake.counters(*id).map_or(0, |counters| counters.of(cause));
                let labels = [("bus", bus.name), ("cause", cause.name())];
                let help = "Frames or values that were not believed, by cause.";
                page.counter("telltale_decode_errors_total", help, &labels, count);
            }
        }
        for (_, bus) in &buses {
            let help = "Frames that the kernel dropped because the receive queue was full (SO_RXQ_OVFL).";
            page.counter("telltale_frames_dropped_total", help, &[("bus", bus.name)], bus.dropped);
        }
        for (_, bus) in &buses {
            let help = "Overflows of the controller's own buffers.";
            page.counter("telltale_bus_overflows_total", help, &[("bus", bus.name)], bus.overflows);
        }
        for (_, bus) in &buses {
            for (class, count) in &bus.errors {
                let labels = [("bus", bus.name), ("class", *class)];
                page.counter(
                    "telltale_bus_errors_total",
                    "Error frames by class (linux/can/error.h).",
                    &labels,
                    *count,
                );
            }
        }
    }

    fn expose_signals(&self, page: &mut Exposition) {
        for quality in ["good", "stale", "invalid"] {
            let count = self.signals.iter().filter(|(_, _, reading)| reading.quality.name() == quality).count();
            page.level("telltale_signals", "Signals by quality.", &[("quality", quality)], count as u64);
        }
        for (_, def, reading) in self.signals.iter() {
            if let (Some(age), Quality::Good) = (reading.age(self.now), reading.quality) {
                let labels = [("path", def.path.as_str())];
                page.gauge("telltale_signal_age_seconds", "Age of a good value.", &labels, age.as_secs_f64());
            }
        }
    }

    fn expose_gnss(&self, page: &mut Exposition) {
        let counters = self.position.counters();
        let discarded = [
            ("nmea_checksum", counters.stream.nmea_checksum),
            ("nmea_unchecked", counters.stream.nmea_unchecked),
            ("nmea_overlong", counters.stream.nmea_overlong),
            ("nmea_truncated", counters.stream.nmea_truncated),
            ("ubx_checksum", counters.stream.ubx_checksum),
            ("ubx_overlong", counters.stream.ubx_overlong),
            ("rtcm_checksum", counters.stream.rtcm_checksum),
            ("unfinished", counters.stream.expired),
            ("malformed", counters.malformed),
            ("late", counters.late),
            ("overrun", counters.overrun),
        ];
        page.counter("telltale_gnss_fixes_total", "Fixes, one per epoch.", &[], counters.fixes);
        for (cause, count) in discarded {
            let help = "Messages of the receiver that were not believed, by cause.";
            page.counter("telltale_gnss_discarded_total", help, &[("cause", cause)], count);
        }
        let help = "Bytes from the receiver that belong to no message.";
        page.counter("telltale_gnss_garbage_bytes_total", help, &[], counters.stream.garbage_bytes);
        let doubts = [("position", counters.position_doubted), ("time", counters.time_doubted)];
        for (what, count) in doubts {
            page.counter("telltale_gnss_doubted_total", "Fixes that were not believed.", &[("what", what)], count);
        }
        if let Some(age) = self.position.age(self.now) {
            page.gauge("telltale_gnss_fix_age_seconds", "Age of the last believed fix.", &[], age.as_secs_f64());
        }
    }

    fn expose_crash(&self, page: &mut Exposition) {
        let sensors: Vec<_> = self.crash.sensors().collect();
        for sensor in &sensors {
            let labels = [("sensor", sensor.name)];
            page.counter("telltale_inertial_samples_total", "Samples of an inertial sensor.", &labels, sensor.samples);
        }
        for sensor in &sensors {
            let help = "Samples that were lost: the frame failed its check, or held no value.";
            page.counter("telltale_inertial_lost_total", help, &[("sensor", sensor.name)], sensor.lost);
        }
        for sensor in &sensors {
            let help = "Faults of an inertial sensor.";
            page.counter("telltale_inertial_faults_total", help, &[("sensor", sensor.name)], sensor.faults);
        }
        for (stage, count) in self.crash.verdicts() {
            let help = "Words of the crash classifier by stage.";
            page.counter("telltale_crash_verdicts_total", help, &[("stage", stage)], count);
        }
        for (what, count) in self.crash.dropped() {
            let help = "What the crash classifier said and had no room for.";
            page.counter("telltale_crash_dropped_total", help, &[("what", what)], count);
        }
    }

    fn expose_black_box(&self, page: &mut Exposition) {
        let stat = self.black_box_stat();
        let ready = f64::from(u8::from(stat.is_ready));
        page.gauge("telltale_blackbox_ready", "1 while the black box can be written.", &[], ready);
        page.level("telltale_blackbox_recording", "Records that are being written.", &[], stat.recording);
        page.level("telltale_blackbox_locked", "Records that are locked.", &[], stat.locked);
        let counters = [
            ("telltale_blackbox_records_total", "Records begun.", stat.records),
            ("telltale_blackbox_dismissed_total", "Records of suspicions that were taken back.", stat.dismissed),
            ("telltale_blackbox_blocks_total", "Blocks handed to the disk.", stat.blocks),
            ("telltale_blackbox_writes_total", "Writes that became durable.", stat.writes),
            ("telltale_blackbox_failures_total", "Writes that failed, each attempt counted.", stat.failures),
            ("telltale_blackbox_given_up_total", "Writes that were given up.", stat.given_up),
            ("telltale_blackbox_truncated_total", "Blocks for which a record had no room.", stat.truncated),
            (
                "telltale_blackbox_displaced_total",
                "Records that were not marked as told, and gave way to a newer one.",
                stat.displaced,
            ),
            ("telltale_blackbox_not_recorded_total", "Events that found no room, or no black box.", stat.not_recorded),
            ("telltale_blackbox_not_locked_total", "Confirmed crashes that found no lock.", stat.not_locked),
            ("telltale_blackbox_overtaken_total", "Records that a message went before.", stat.overtaken),
            ("telltale_blackbox_left_out_total", "Verdicts and reports missing in a record.", stat.left_out),
            ("telltale_blackbox_unmarked_total", "Reports that the next start tells again.", stat.unmarked),
        ];
        for (name, help, value) in counters {
            page.counter(name, help, &[], value);
        }
        let longest = stat.write_time_max.as_secs_f64();
        page.gauge("telltale_blackbox_write_seconds_max", "The longest write of this run.", &[], longest);
        let mean = if stat.writes == 0 {
            0.0
        } else {
            (stat.write_time / u32::try_from(stat.writes).unwrap_or(u32::MAX)).as_secs_f64()
        };
        page.gauge("telltale_blackbox_write_seconds_mean", "The mean write of this run.", &[], mean);
    }

    fn expose_link(&self, page: &mut Exposition) {
        let link = self.dispatch.link_stat();
        let up = f64::from(u8::from(link.online));
        page.gauge("telltale_link_up", "1 while there is an MQTT session.", &[], up);
        page.counter("telltale_link_attempts_total", "Attempts to connect.", &[], link.attempts);
        page.counter("telltale_link_sessions_total", "Sessions.", &[], link.sessions);
        let refused = "Attempts that the broker refused for the credentials.";
        page.counter("telltale_link_credentials_refused_total", refused, &[], link.credentials_refused);
        let slow = "Attempts that were given up because nothing answered.";
        page.counter("telltale_link_connect_timeouts_total", slow, &[], link.connect_timeouts);
        let silent = "Sessions taken down because nothing was acknowledged.";
        page.counter("telltale_link_watchdog_total", silent, &[], link.watchdog);
    }

    fn expose_lanes(&self, page: &mut Exposition) {
        let stat = self.dispatch.outbox_stat();
        let lanes = Lane::ALL.map(|lane| ([("lane", lane.name())], stat.lane(lane)));
        for (name, help, figure) in LANE_LEVELS {
            for (labels, lane) in &lanes {
                page.level(name, help, labels, figure(lane));
            }
        }
        for (name, help, figure) in LANE_COUNTERS {
            for (labels, lane) in &lanes {
                page.counter(name, help, labels, figure(lane));
            }
        }
        let bounds_s = LATENCY_BUCKETS_MS.map(|bound_ms| Duration::from_millis(bound_ms).as_secs_f64());
        for (labels, lane) in &lanes {
            let help = "From the making of a record to its PUBACK, for records that did not leave RAM.";
            let sum_s = Duration::from_millis(lane.latency.sum_ms).as_secs_f64();
            page.histogram("telltale_ack_latency_seconds", help, labels, (&bounds_s, &lane.latency.counts, sum_s));
        }
    }

    fn expose_store(&self, page: &mut Exposition) {
        let stat = self.dispatch.outbox_stat();
        let healthy = f64::from(u8::from(stat.store_healthy));
        page.gauge("telltale_store_healthy", "1 while the last append was durable.", &[], healthy);
        page.counter("telltale_store_append_failures_total", "Failed appends.", &[], stat.append_failures);
        page.counter("telltale_store_load_failures_total", "Failed readings.", &[], stat.load_failures);
        page.counter("telltale_store_remove_failures_total", "Failed removals.", &[], stat.remove_failures);
        let help = "Acknowledged records that could not be removed: sent once more after the next start.";
        page.counter("telltale_store_removals_forgotten_total", help, &[], stat.removals_forgotten);
        let (refused, unsaved) = self.dispatch.counts();
        page.counter("telltale_messages_misformed_total", "Messages refused by the outbox.", &[], refused);
        page.counter("telltale_saves_failed_total", "Last known values that were not saved.", &[], unsaved);
        let help = "Words of the owner that were refused while the store was not open.";
        page.counter("telltale_owner_inputs_refused_total", help, &[], self.owner.refused());
        page.counter("telltale_samples_dropped_total", "Samples without room.", &[], self.publisher.dropped_samples());
    }
}
