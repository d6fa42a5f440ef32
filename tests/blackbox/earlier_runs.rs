//! What an earlier run left untold is told by a later one, whatever opens first and whatever does not open at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use telltale::crash::Stage;
use telltale::crash::black_box::Slot;
use telltale::delivery::{BootId, Draft, Lane, Privacy, codec};
use telltale::gateway::{Input, LinkDown, LinkEvent, StoreEvent, StoreInventory};
use telltale::rng::Rng;
use telltale::services::OwnerInput;
use telltale::services::owner::Purpose;
use telltale::sim::{Emission, What};
use telltale::time::{KernelBoot, MonoTime, Stamp};

use crate::disk::read;
use crate::life::{AFTERLIFE, BEFORE, Disk, LATE, Life, Remains, STEP, drive, inventory, play};

/// What is left when the power goes: once for each way in which a record can be untold.
fn untold(emissions: &[Emission], contact: MonoTime, privacy: Privacy) -> BTreeMap<(Stage, bool), Vec<u8>> {
    let mut life = Life::begin(1, contact - BEFORE, Remains::empty(), Rng::new(1), None);
    life.input(contact - BEFORE, Input::Owner(OwnerInput::Privacy { privacy }));
    life.input(contact - BEFORE, Input::Owner(OwnerInput::Consent { consent: Purpose::Assistance, given: true }));
    let mut files = BTreeMap::new();
    let mut rest = emissions;
    for after_ms in 0..200 {
        let until = contact + Duration::from_millis(after_ms);
        let (piece, later) = rest.split_at(rest.partition_point(|emission| emission.at < until));
        play(&mut life, piece, until);
        rest = later;
        let left = read(&life.remains.file, Slot::is_unreported);
        if let Some((recording, stage)) = left.recordings.first().and_then(|left| Some((left, left.slot.stage?))) {
            files.entry((stage, recording.report.is_some())).or_insert_with(|| life.remains.file.clone());
        }
    }
    files
}

/// The same remains, once with the black box open first and twice with the store: the same is told, under the same id.
#[test]
fn whether_the_store_or_the_black_box_opens_first_the_same_is_told_once() {
    let (emissions, contact) = drive();
    let mut kinds = BTreeSet::new();
    for (state, file) in untold(&emissions, contact, Privacy::Off) {
        let told = [None, Some(Duration::from_millis(1)), Some(LATE)].map(|late| {
            let remains = Remains { file: file.clone(), ..Remains::empty() };
            let mut life = Life::begin(2, MonoTime::from_millis(500), remains, Rng::new(1), late);
            life.pass(MonoTime::from_millis(500), AFTERLIFE);
            let rest = read(&life.remains.file, Slot::is_unreported);
            assert!(rest.recordings.is_empty(), "{state:?}, {late:?}: not marked");
            assert!(
                life.remains.store.keys().all(|key| key.lane != Lane::Critical),
                "{state:?}, {late:?}: not removed"
            );
            let told = life.remains.reports();
            let [one] = told.as_slice() else { panic!("{state:?}, {late:?}: {told:?}") };
            (one.topic.clone(), one.id.clone(), one.crash.clone(), one.data.clone())
        });
        assert!(told[0] == told[1] && told[1] == told[2], "{state:?}: {told:?}");
        println!("{state:?}: {} {}", told[0].0, told[0].1);
        kinds.insert(told[0].0.clone());
    }
    assert_eq!(kinds, ["event/crash.detected", "event/crash.recovered"].map(str::to_owned).into());
}

/// The power comes back to a car whose privacy mode is off: it tells the place only of a crash that was not private.
#[test]
fn the_place_of_a_crash_in_privacy_mode_is_told_by_no_later_run() {
    let (emissions, contact) = drive();
    for (privacy, is_told) in [(Privacy::Off, true), (Privacy::On, false)] {
        let files = untold(&emissions, contact, privacy);
        assert!(files.contains_key(&(Stage::Suspected, false)) && files.contains_key(&(Stage::Confirmed, true)));
        for (state, file) in files {
            let remains = Remains { file, ..Remains::empty() };
            let mut life = Life::begin(2, MonoTime::from_millis(500), remains, Rng::new(1), None);
            life.pass(MonoTime::from_millis(500), AFTERLIFE);
            let [report] = life.remains.reports()[..] else { panic!("{state:?}: {:?}", life.remains.heard) };
            let has_place = report.data["location"]["fix"]["latitude"].is_number();
            assert_eq!(has_place, is_told, "{privacy:?}, {state:?}: {report:?}");
        }
    }
}

/// What is left when the power goes once a report was made.
fn made_not_told() -> Vec<u8> {
    let (emissions, contact) = drive();
    untold(&emissions, contact, Privacy::Off)
        .remove(&(Stage::Confirmed, true))
        .expect("there is a moment when it is made and not told")
}

fn is_marked(life: &Life) -> bool {
    read(&life.remains.file, Slot::is_unreported).recordings.is_empty()
}

/// What is heard when a store should open.
type Opens = fn() -> Option<StoreEvent>;

/// Where no store opens, or it does nothing, the report of an earlier run goes from memory, and the black box keeps it
/// until the broker has it: the power may go again at any moment before.
#[test]
fn without_a_store_a_report_of_an_earlier_run_is_told_from_memory_and_kept_until_it_is_delivered() {
    let file = made_not_told();
    let now = MonoTime::from_millis(500);
    let opened = || Some(StoreEvent::Opened(StoreInventory::default()));
    let unavailable = || Some(StoreEvent::Unavailable("no file system".to_owned()));
    let never = || None;
    let stores: [(Opens, Disk, u64); 4] = [
        (unavailable, Disk::Works, 0),
        (opened, Disk::Refuses, 0),
        (opened, Disk::Silent, 2_000),
        (never, Disk::Works, 500),
    ];
    for (store, disk, patience_ms) in stores {
        let awake = |number: u32, remains: Remains| {
            // A run without a store does not count as a start.
            let boot = BootId { counter: if disk == Disk::Works { 2 } else { number }, random: number };
            let mut life = Life::begin_with(store(), boot, now, remains, Rng::new(1), Some(LATE));
            life.disk = disk;
            life
        };
        let case = format!("{:?}, {disk:?}", store());
        let mut remains = Remains { file: file.clone(), ..Remains::empty() };
        let mut cuts_before_delivery = 0;
        for number in 2..60 {
            let mut life = awake(number, remains);
            life.pass(now, LATE + Duration::from_millis(patience_ms + u64::from(number) * 2));
            if life.remains.reports().is_empty() {
                cuts_before_delivery += 1;
                assert!(!is_marked(&life), "{case}, life {number}: marked, and told to nobody");
            }
            life.sending.clear();
            remains = life.cut().0;
        }
        let mut life = awake(60, remains);
        life.pass(now, AFTERLIFE);
        let knows_owner = disk != Disk::Works;
        assert!(cuts_before_delivery > 0 && is_marked(&life) == knows_owner, "{case}: {cuts_before_delivery}");
        let told = life.remains.reports();
        assert!((1..60).contains(&told.len()), "{case}");
        let told_as = told[0].id.clone();
        assert!(told.iter().all(|heard| heard.id == told_as), "{case}: {told:?}");
        assert_eq!(life.gateway.outbox().lanes[Lane::Critical as usize].in_memory, 0, "{case}");
        if !knows_owner {
            // Whether help may be offered only the store knows: the first run that opens it offers.
            assert!(life.remains.offers().is_empty(), "{case}");
            let mut remains = life.cut().0;
            remains.values.insert("owner".to_owned(), CONSENT.to_vec());
            let mut life = Life::begin(61, now, remains, Rng::new(1), None);
            life.pass(now, AFTERLIFE);
            assert_eq!((life.remains.offers().len(), is_marked(&life)), (1, true), "{case}");
            assert!(life.remains.reports().iter().all(|heard| heard.id == told_as), "{case}");
        }
    }
}

/// What the store holds of an owner who has given consent.
const CONSENT: &[u8] = br#"{"privacy":"off","assistance":true,"emergency_contact":false}"#;

/// The store takes longer to open than a report of an earlier run waits for it: that goes from memory, and the offer of
/// help when it is known whether there may be one. The power goes again anywhere in between.
#[test]
fn a_store_that_opens_late_costs_no_offer_of_help() {
    let file = made_not_told();
    let now = MonoTime::from_millis(500);
    let opens = now + Duration::from_secs(3);
    let (mut delivered, mut offered) = (0, 0);
    for cut_ms in (2_000..3_400).step_by(7) {
        let mut remains = Remains { file: file.clone(), ..Remains::empty() };
        remains.values.insert("owner".to_owned(), CONSENT.to_vec());
        let opened = StoreEvent::Opened(inventory(&remains));
        let boot = BootId { counter: 2, random: 7 };
        let mut life = Life::begin_with(None, boot, now, remains, Rng::new(cut_ms), None);
        let end = now + Duration::from_millis(cut_ms);
        life.pass(now, opens.min(end).since(now));
        if opens < end {
            life.input(opens, Input::Store(opened));
            life.pass(opens, end.since(opens));
        }
        delivered += usize::from(!life.remains.reports().is_empty());
        offered += life.remains.offers().len();
        let (remains, rng) = life.cut();
        let mut life = Life::begin(3, now, remains, rng, None);
        life.pass(now, AFTERLIFE);
        let offers = life.remains.offers().len();
        assert!(offers == 1 && is_marked(&life), "cut after {cut_ms} ms: {offers} offers");
    }
    assert!(delivered > offered && offered > 0, "{delivered}, {offered}: the cuts do not reach every case");
}

/// A run begins without a store, and the store opens later: what was saved of offers and of crashes that wait is taken
/// back, so that no offer is forgotten or made twice.
#[test]
fn a_store_that_comes_back_in_the_middle_of_a_run_costs_no_offer_of_help() {
    let file = made_not_told();
    let now = MonoTime::from_millis(500);
    let mut before = BTreeSet::new();
    for cut_ms in (0..400).step_by(6) {
        let mut remains = Remains { file: file.clone(), ..Remains::empty() };
        remains.values.insert("owner".to_owned(), CONSENT.to_vec());
        let mut life = Life::begin(2, now, remains, Rng::new(cut_ms), None);
        life.pass(now, Duration::from_millis(cut_ms));
        before.insert((life.remains.values.contains_key("service-assistance"), is_marked(&life)));
        let (remains, rng) = life.cut();
        let opened = StoreEvent::Opened(inventory(&remains));
        let unavailable = StoreEvent::Unavailable("no file system".to_owned());
        let boot = BootId { counter: 3, random: 7 };
        let mut life = Life::begin_with(Some(unavailable), boot, now, remains, rng, None);
        let opens = now + Duration::from_millis(300);
        life.pass(now, opens.since(now));
        life.input(opens, Input::Store(opened));
        life.pass(opens, AFTERLIFE);
        let offers = life.remains.offers().len();
        assert!(offers == 1 && is_marked(&life), "cut after {cut_ms} ms: {offers} offers");
    }
    assert_eq!(before.len(), 3, "{before:?}: the cuts do not reach every case");
}

/// The drive without what the airbags' control unit says.
fn without_airbags(emissions: &[Emission]) -> Vec<Emission> {
    let is_airbags = |what: &What| matches!(what, What::Frame(_, frame) if frame.id().raw() == RESTRAINT_STATUS);
    emissions.iter().filter(|emission| !is_airbags(&emission.what)).cloned().collect()
}

const RESTRAINT_STATUS: u32 = 80;

/// A crash in a run whose store does not open in time, or at all: it is told of from memory, and help is offered by whoever
/// knows first whether it may be.
#[test]
fn a_crash_that_nobody_knows_the_owners_word_for_is_offered_help_for_once_it_is_known() {
    let (emissions, contact) = drive();
    let emissions = without_airbags(&emissions);
    let begin = contact - BEFORE;
    let met = contact + Duration::from_secs(8);
    let with_consent = || {
        let mut remains = Remains::empty();
        remains.values.insert("owner".to_owned(), CONSENT.to_vec());
        remains
    };
    let opened = || StoreEvent::Opened(inventory(&with_consent()));
    let stores: [Opens; 2] = [|| None, || Some(StoreEvent::Unavailable("no file system".to_owned()))];
    for store in stores {
        for is_same_run in [true, false] {
            let case = format!("{:?}, {is_same_run}", store());
            let boot = BootId { counter: 1, random: 7 };
            let mut life = Life::begin_with(store(), boot, begin, with_consent(), Rng::new(1), None);
            play(&mut life, &emissions, met);
            assert_eq!((life.remains.reports().len(), life.remains.offers().len()), (1, 0), "{case}");
            assert!(!is_marked(&life), "{case}: told, and nobody was asked");
            if is_same_run {
                life.input(met, Input::Store(opened()));
                life.pass(met, AFTERLIFE);
            } else {
                let now = MonoTime::from_millis(500);
                let (remains, rng) = life.cut();
                life = Life::begin(2, now, remains, rng, None);
                life.pass(now, AFTERLIFE);
            }
            assert_eq!((life.remains.offers().len(), is_marked(&life)), (1, true), "{case}");
            let crashes: BTreeSet<&str> = life.remains.reports().iter().map(|heard| heard.crash.as_str()).collect();
            assert_eq!(crashes.len(), 1, "{case}");
        }
    }
}

/// What the owner allowed when it happened counts, whatever has been settled since.
#[test]
fn no_later_run_offers_help_for_a_crash_in_privacy_mode() {
    let (emissions, contact) = drive();
    for (privacy, offers) in [(Privacy::Off, 1), (Privacy::On, 0)] {
        let file = untold(&emissions, contact, privacy).remove(&(Stage::Confirmed, true)).expect("there is a moment");
        let mut remains = Remains { file, ..Remains::empty() };
        remains.values.insert("owner".to_owned(), CONSENT.to_vec());
        let now = MonoTime::from_millis(500);
        let mut life = Life::begin(2, now, remains, Rng::new(1), None);
        life.pass(now, AFTERLIFE);
        assert_eq!((life.remains.offers().len(), is_marked(&life)), (offers, true), "{privacy:?}");
    }
}

/// A report whose key another record has taken is told under a new id. Until that is durable, the black box keeps it.
#[test]
fn a_report_that_gets_a_new_id_is_kept_until_its_new_record_is_durable() {
    let file = made_not_told();
    let left = read(&file, Slot::is_unreported);
    let [recording] = left.recordings.as_slice() else { panic!("{} records", left.recordings.len()) };
    let id = recording.slot.report();
    let crash = recording.slot.crash.to_string();
    let stamp = Stamp { boot: KernelBoot(1), mono: MonoTime::from_millis(5), wall: None };
    let other = Draft { lane: Lane::Critical, ..Draft::event("sos.called", stamp, "{}".to_owned()) }.into_record(id);
    let store = BTreeMap::from([(id.key(), codec::encode(&other))]);
    for seed in 1..=16 {
        let remains = Remains { file: file.clone(), store: store.clone(), ..Remains::empty() };
        let mut now = MonoTime::from_millis(500);
        let mut life = Life::begin(2, now, remains, Rng::new(seed), None);
        let told = |life: &Life| life.remains.reports().len();
        let is_stored = |life: &Life| {
            let has_crash = |bytes: &Vec<u8>| bytes.windows(crash.len()).any(|window| window == crash.as_bytes());
            life.remains.store.values().any(has_crash)
        };
        let mut steps_untold = 0;
        while now < MonoTime::from_millis(500) + AFTERLIFE {
            now = now + STEP;
            life.turn(now);
            if told(&life) == 0 && !is_stored(&life) {
                steps_untold += 1;
                assert!(!is_marked(&life), "seed {seed}: marked at {now:?}, and neither stored nor told");
            }
        }
        assert!(steps_untold > 0 && is_marked(&life), "seed {seed}: {steps_untold}");
        let [report] = life.remains.reports()[..] else { panic!("seed {seed}: {:?}", life.remains.heard) };
        assert_ne!(report.id, id.to_string());
        assert!(life.remains.heard.iter().any(|heard| heard.topic == "event/sos.called" && heard.id == id.to_string()));
    }
}

/// A run that could not reach its store leaves a report; the next has the same counter, and a crash of its own.
#[test]
fn what_a_run_without_a_store_left_takes_no_place_of_this_runs_own_records() {
    let (emissions, contact) = drive();
    let file = untold(&emissions, contact, Privacy::Off).remove(&(Stage::Confirmed, true)).expect("there is a moment");
    for seed in 1..=8 {
        let remains = Remains { file: file.clone(), ..Remains::empty() };
        let boot = BootId { counter: 1, random: 8 };
        let opened = Some(StoreEvent::Opened(StoreInventory::default()));
        let mut life = Life::begin_with(opened, boot, contact - BEFORE, remains, Rng::new(seed), None);
        // Without coverage both wait.
        life.sending.clear();
        let down = LinkEvent::Down(LinkDown::Transport("no coverage".to_owned()));
        life.input(contact - BEFORE, Input::Link(down));
        let met = contact + Duration::from_secs(10);
        play(&mut life, &emissions, met);
        assert!(life.remains.store.keys().any(|key| key.lane == Lane::Critical) && !is_marked(&life), "seed {seed}");
        life.input(met, Input::Link(LinkEvent::Up { session_present: false }));
        life.pass(met, AFTERLIFE);
        let told = life.remains.reports();
        let ids: BTreeSet<&str> = told.iter().map(|heard| heard.id.as_str()).collect();
        let crashes: BTreeSet<&str> = told.iter().map(|heard| heard.crash.as_str()).collect();
        assert_eq!((told.len(), ids.len(), crashes.len()), (2, 2, 2), "seed {seed}: {told:?}");
        assert!(is_marked(&life), "seed {seed}");
        assert!(life.remains.store.keys().all(|key| key.lane != Lane::Critical), "seed {seed}: not removed");
    }
}
