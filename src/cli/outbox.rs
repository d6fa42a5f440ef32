//! `telltaled outbox stat|dump`: what waits in the store of a daemon that does not run.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::delivery::{StoreKey, codec};
use crate::gateway::{LaneInventory, StoreEvent, StoreIncident, StoreInventory, StoreRequest, StoreTicket};
use crate::io::store::{self, Store};

use super::exit::{Code, Failure};
use super::{OutboxCommand, output, run};

/// Records that are read at once.
const PAGE: usize = 64;

/// The store answers or says that it cannot, so this is only reached when the disk hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens the store and prints what was asked for.
pub(super) fn outbox(what: &OutboxCommand) -> Result<(), Failure> {
    match what {
        OutboxCommand::Stat { config } => {
            let open = OpenStore::open(config)?;
            let line = stat(&open.inventory);
            open.close();
            output::line(&line)
        }
        OutboxCommand::Dump { config } => {
            let mut open = OpenStore::open(config)?;
            let result = dump(&mut open);
            open.close();
            result
        }
    }
}

fn stat(inventory: &StoreInventory) -> Json {
    let lanes: serde_json::Map<String, Json> = inventory
        .lanes
        .iter()
        .map(|lane| (lane.lane.name().to_owned(), json!({ "records": lane.count, "bytes": lane.bytes })))
        .collect();
    let incident = inventory.incident.as_ref().map(|incident| match incident {
        StoreIncident::Quarantined(why) | StoreIncident::LostContents(why) => why.clone(),
    });
    json!({ "lanes": lanes, "values": inventory.values.len(), "incident": incident })
}

fn dump(open: &mut OpenStore) -> Result<(), Failure> {
    for lane in open.inventory.lanes.clone() {
        let mut from = Some(lane.first);
        while let Some(key) = from {
            let page = open.load(key)?;
            for (key, bytes) in &page {
                output::line(&describe(*key, bytes))?;
            }
            from = next_page(&lane, &page);
        }
    }
    Ok(())
}

fn describe(key: StoreKey, bytes: &[u8]) -> Json {
    match codec::decode(bytes) {
        Ok(record) => json!({
            "id": record.id.to_string(),
            "topic": record.topic,
            "time": record.stamp.wall.map(|stamp| stamp.wall.to_string()),
            "bytes": bytes.len(),
            "data": serde_json::from_str::<Json>(&record.data).unwrap_or(Json::Null),
        }),
        Err(error) => json!({ "position": key.position, "bytes": bytes.len(), "error": error.to_string() }),
    }
}

fn next_page(lane: &LaneInventory, page: &[(StoreKey, Vec<u8>)]) -> Option<StoreKey> {
    let (last, _) = page.last()?;
    (*last < lane.last).then(|| StoreKey { lane: lane.lane, position: last.position + 1 })
}

/// A store that this command has to itself.
struct OpenStore {
    store: Store,
    events: Receiver<StoreEvent>,
    inventory: StoreInventory,
    tickets: u64,
}

impl OpenStore {
    fn open(config: &Path) -> Result<Self, Failure> {
        let config = run::load(config)?;
        let path = &config.deployment.store.path;
        let fail = |text: String| Failure::new(Code::Io, text);
        if !path.is_dir() {
            return Err(Failure::new(Code::NoInput, format!("there is no store in {}", path.display())));
        }
        let claim = store::claim_boot(path).map_err(|error| Failure::new(Code::Unavailable, error))?;
        let (answers, events) = sync_channel(PAGE);
        let store = Store::start(claim, store::OPEN_DEADLINE, move |event| drop(answers.send(event)))
            .map_err(|error| fail(format!("starting the store's thread: {error}")))?;
        match events.recv_timeout(PATIENCE) {
            Ok(StoreEvent::Opened(inventory)) => Ok(Self { store, events, inventory, tickets: 0 }),
            Ok(StoreEvent::Unavailable(why)) => Err(fail(format!("opening the store in {}: {why}", path.display()))),
            Ok(_) | Err(_) => Err(fail(format!("opening the store in {}: no answer", path.display()))),
        }
    }

    fn load(&mut self, from: StoreKey) -> Result<Vec<(StoreKey, Vec<u8>)>, Failure> {
        self.tickets += 1;
        let ticket = StoreTicket(self.tickets);
        let failed = |why: &str| Failure::new(Code::Io, format!("reading the store: {why}"));
        if self.store.submit(ticket, StoreRequest::Load { from, limit: PAGE }).is_err() {
            return Err(failed("it takes no request"));
        }
        match self.events.recv_timeout(PATIENCE) {
            Ok(StoreEvent::Loaded(_, page)) => Ok(page),
            Ok(StoreEvent::Failed(_, why) | StoreEvent::Unavailable(why)) => Err(failed(&why)),
            Ok(StoreEvent::Opened(_) | StoreEvent::Done(_)) | Err(_) => Err(failed("no answer")),
        }
    }

    fn close(self) {
        if !self.store.close(PATIENCE) {
            tracing::warn!("the store did not close in time");
        }
    }
}
