//! The simulated car: steps its world in virtual time and says what can be seen and heard of it, in time order.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::can::dbc::Dbc;
use crate::can::{BusId, Frame};
use crate::crash::KMH_PER_MPS;
use crate::rng::Rng;
use crate::time::{MonoTime, WallTime};

use super::body::{LAMPS, Lamp};
use super::ecu::{Duty, SENDERS};
use super::gnss_track::{EPOCH, Receiver};
use super::scenario::{Scenario, Step};

use super::transmitter::{Bus, Failure, SendError, Transmitter};
use super::truth::{Impact, Noise, Truth};
use super::world::World;

/// The steps of the world: while driving, while standing with the ignition off, and asleep.
const DRIVING_STEP: Duration = Duration::from_millis(10);
/// While the car collides: the restraint sensor's own.
const COLLISION_STEP: Duration = Duration::from_millis(1);
const RESTING_STEP: Duration = Duration::from_millis(50);
const SLEEPING_STEP: Duration = Duration::from_secs(1);

/// From an epoch until its sentences come through the serial port, and how much that varies.
const GNSS_DELAY: Duration = Duration::from_millis(45);
const GNSS_DELAY_SPREAD: Duration = Duration::from_millis(30);

/// The buses of the profile `demo-phev` with their DBC files.
const WIRES: [(Bus, &str); BUSES.len()] = [
    (Bus { fd: false, bit_ns: 2_000, data_bit_ns: 2_000 }, include_str!("../../profiles/demo-phev/powertrain.dbc")),
    (Bus { fd: false, bit_ns: 8_000, data_bit_ns: 8_000 }, include_str!("../../profiles/demo-phev/body.dbc")),
    (Bus { fd: true, bit_ns: 2_000, data_bit_ns: 500 }, include_str!("../../profiles/demo-phev/energy.dbc")),
];

/// The names of the buses, by [`BusId`], as the profile `demo-phev` has them.
pub const BUSES: [&str; 3] = ["powertrain", "body", "energy"];

/// What comes out of the car, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Emission {
    /// Never before that of the emission before it.
    pub at: MonoTime,
    /// What it is.
    pub what: What,
}

/// What can come out of the car.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A frame on a bus.
    Frame(BusId, Frame),
    /// The GNSS receiver's sentences of one epoch.
    Nmea(Vec<u8>),
    /// The mobile network is there, or not: the hills hide it. The car cannot know; who plays the network can.
    Coverage(bool),
    /// A line for people: what happens in the story.
    Note(&'static str),
}

/// Something that is wrong with the car, switched on and off by a test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The cluster lights this lamp, or flashes it.
    Lamp(&'static str, Lamp),
    /// Nothing is heard on this bus.
    SilentBus(BusId),
    /// This message is not sent.
    SilentMessage(&'static str),
    /// The checksum of this message is wrong.
    WrongChecksum(&'static str),
    /// The alive counter of this message stands still.
    FrozenCounter(&'static str),
    /// The sender has no value for this signal.
    NotAvailable(&'static str),
    /// The receiver sees no satellites.
    NoGnss,
}

/// When and where a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// The first moment.
    pub mono: MonoTime,
    /// What the world's clocks show then.
    pub wall: WallTime,
}

/// A car that lives through a scenario: an iterator over what comes out of it, in time order, ending with the story.
#[derive(Debug)]
pub struct Car {
    scenario: Scenario,
    begin: Begin,
    /// The world is as it is at this moment, and is looked at for `span`.
    now: MonoTime,
    span: Duration,
    world: World,
    transmitters: Vec<Transmitter>,
    bus_free: [MonoTime; BUSES.len()],
    receiver: Receiver,
    /// The next epoch, and what the receiver has still to say of the last one.
    epoch_at: MonoTime,
    sentences: Option<Emission>,
    noise: Noise,
    faults: BTreeSet<Fault>,
    /// How often the scenario was begun again; each round goes once around the ring.
    rounds: f64,
    steps: VecDeque<Step>,
    wait_until: MonoTime,
    covered: bool,
    /// What the cluster shows, faults included.
    lamps: [(&'static str, Lamp); LAMPS.len()],
    ready: VecDeque<Emission>,
    ended: bool,
}

impl Car {
    /// A parked car at the beginning of `scenario`. Fails only when the built-in profile is not what it should be.
    pub fn new(seed: u64, scenario: Scenario, begin: Begin) -> Result<Self, SendError> {
        let mut rng = Rng::new(seed);
        let (state_of_charge, fuel_l) = scenario.stores();
        let wires = WIRES.map(|(bus, text)| (bus, Dbc::parse(text.as_bytes())));
        let world = World::new(&mut rng, state_of_charge, fuel_l);
        let receiver = Receiver::new(Rng::new(rng.next_u64()));
        let mut noise = Noise::new(Rng::new(rng.next_u64()));
        let transmitters = SENDERS
            .iter()
            .map(|sender| {
                let (bus, database) = wires.get(usize::from(sender.bus)).ok_or(SendError::NoBus(sender.bus))?;
                let database = database.as_ref().map_err(|findings| SendError::Database(format!("{findings:?}")))?;
                let transmitter = Transmitter::new(sender, bus, database)?;
                transmitter.rehearse(&world, &mut noise)?;
                Ok(transmitter)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            scenario,
            begin,
            now: begin.mono,
            span: DRIVING_STEP,
            world,
            transmitters,
            bus_free: [begin.mono; BUSES.len()],
            receiver,
            epoch_at: begin.mono + EPOCH,
            sentences: None,
            noise,
            faults: BTreeSet::new(),
            rounds: 0.0,
            steps: scenario.steps(0.0).into(),
            wait_until: begin.mono,
            covered: true,
            lamps: LAMPS.map(|name| (name, Lamp::Off)),
            ready: VecDeque::new(),
            ended: false,
        })
    }

    /// From now on this is wrong with the car.
    pub fn fail(&mut self, fault: Fault) {
        self.faults.insert(fault);
    }

    /// From now on this is right again.
    pub fn heal(&mut self, fault: &Fault) {
        self.faults.remove(fault);
    }

    /// What is so at the moment of the last emission.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let world = &self.world;
        Truth {
            at: self.now,
            wall: self.wall_at(self.now),
            speed_kmh: world.chassis.speed_mps * KMH_PER_MPS,
            latitude_deg: world.spot.latitude_deg,
            longitude_deg: world.spot.longitude_deg,
            altitude_m: world.spot.altitude_m,
            heading_deg: world.spot.heading_deg,
            soc_percent: world.battery.state_of_charge() * 100.0,
            fuel_l: world.fluids.fuel_l,
            odometer_km: world.odometer_km(),
            ignition: world.body.ignition,
            ready: world.body.ready,
            locked: world.body.locked,
            driver_door_open: world.body.driver_door,
            driver_belted: world.body.belted,
            charge: world.charger.state,
            lamps: self.lamps.into_iter().filter(|(_, lamp)| *lamp != Lamp::Off).collect(),
            asleep: self.is_asleep(),
            covered: self.covered,
            energy: world.energy(),
            impact: world.collision.as_ref().map(|collision| Impact {
                contact: self.now - Duration::from_secs_f64(collision.since_contact_s()),
                delta_v_mps: collision.delta_v_mps(),
            }),
        }
    }

    fn wall_at(&self, at: MonoTime) -> WallTime {
        self.begin.wall.plus(at.since(self.begin.mono))
    }

    fn look_at_lamps(&mut self) {
        for ((name, lamp), shown) in self.lamps.iter_mut().zip(self.world.lamps()) {
            *lamp = shown;
            for fault in &self.faults {
                if let Fault::Lamp(failed, state) = fault
                    && failed == name
                {
                    *lamp = *state;
                }
            }
        }
    }

    /// Lets the world go on by one step and the people in it do what is next.
    fn step(&mut self) {
        self.now = self.now + self.span;
        self.world.advance(self.span.as_secs_f64());
        while self.now >= self.wait_until && !self.world.is_busy() && !self.ended {
            self.act();
        }
        self.look_at_lamps();
        let covered = !self.world.spot.valley;
        if std::mem::replace(&mut self.covered, covered) != covered {
            self.ready.push_back(Emission { at: self.now, what: What::Coverage(covered) });
        }
        for (index, transmitter) in (0..).zip(&mut self.transmitters) {
            let on = match transmitter.duty() {
                Duty::Ignition => self.world.is_powered(),
                Duty::Battery => self.world.body.is_awake() || self.world.is_charging(),
                Duty::Body => self.world.body.is_awake() && !self.world.is_body_bus_torn(),
            };
            transmitter.switch(on, self.now, index);
        }
        self.span = if self.world.is_colliding() {
            COLLISION_STEP
        } else if self.is_asleep() {
            SLEEPING_STEP
        } else if self.world.is_at_rest() {
            RESTING_STEP
        } else {
            DRIVING_STEP
        };
    }

    fn is_asleep(&self) -> bool {
        !self.world.body.is_awake() && !self.world.is_powered() && !self.world.is_charging()
    }

    fn act(&mut self) {
        let Some(step) = self.steps.pop_front() else {
            if self.scenario.repeats() {
                self.rounds += 1.0;
                self.steps = self.scenario.steps(self.rounds * self.world.road.length_m()).into();
            } else {
                self.ended = true;
            }
            return;
        };
        match step {
            Step::Wait(seconds) => self.wait_until = self.now + Duration::from_secs_f64(seconds),
            Step::Say(text) => self.ready.push_back(Emission { at: self.now, what: What::Note(text) }),
            _ => self.world.act(step),
        }
    }

    /// The transmitter that is next, and when its frame gets the bus.
    fn next_frame(&self) -> Option<(usize, MonoTime)> {
        let times = self.transmitters.iter().enumerate().filter_map(|(index, transmitter)| {
            let free = self.bus_free.get(transmitter.bus_index()).copied().unwrap_or_default();
            transmitter.due().map(|due| (index, due.max(free)))
        });
        times.min_by_key(|(index, at)| (*at, *index))
    }

    fn send(&mut self, index: usize, at: MonoTime) -> Option<Emission> {
        let transmitter = self.transmitters.get_mut(index)?;
        if let Some(free) = self.bus_free.get_mut(transmitter.bus_index()) {
            *free = at + transmitter.time_on_bus();
        }
        let failure = Failure::of(transmitter, &self.faults);
        let frame = transmitter.send(&self.world, &self.lamps, &failure, &mut self.noise)?;
        Some(Emission { at, what: What::Frame(transmitter.bus(), frame) })
    }

    fn locate(&mut self) {
        let at = self.epoch_at;
        self.epoch_at = at + EPOCH;
        if !self.world.body.is_awake() {
            self.receiver.power_off();
            return;
        }
        let outage = self.faults.contains(&Fault::NoGnss);
        let wall = self.wall_at(at);
        let nmea = self.receiver.epoch(&self.world.spot, self.world.chassis.speed_mps, wall, outage);
        let delay = GNSS_DELAY + GNSS_DELAY_SPREAD.mul_f64(self.noise.unit());
        self.sentences = Some(Emission { at: at + delay, what: What::Nmea(nmea) });
    }
}

impl Iterator for Car {
    type Item = Emission;

    fn next(&mut self) -> Option<Emission> {
        loop {
            if let Some(emission) = self.ready.pop_front() {
                return Some(emission);
            }
            if self.ended {
                return None;
            }
            let step_at = self.now + self.span;
            let frame = self.next_frame();
            let frame_at = frame.map_or(step_at, |(_, at)| at);
            let sentences_at = self.sentences.as_ref().map_or(step_at, |emission| emission.at);
            let next_at = step_at.min(frame_at).min(sentences_at).min(self.epoch_at);
            let emission = match frame {
                _ if next_at == step_at => {
                    self.step();
                    None
                }
                _ if next_at == self.epoch_at => {
                    self.locate();
                    None
                }
                Some((index, at)) if at == next_at => self.send(index, at),
                _ => self.sentences.take(),
            };
            if emission.is_some() {
                return emission;
            }
        }
    }
}
