//! What the daemon is to do, and why it could not.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::os::fd::OwnedFd;

use tokio::sync::{mpsc, oneshot};

use crate::can::{BusId, Frame};
use crate::config::{Config, Listen};
use crate::gateway::Gateway;
use crate::io::metrics_http::{Address, BindError, Listener};
use crate::io::store::StoreError;
use crate::time::MonoTime;

/// Looks at the core once a second, on the bus thread: must be quick.
pub type Observer = Box<dyn FnMut(&Gateway) + Send>;

/// Sees each frame of an interface after the core has dealt with it, with its kernel stamp, on the bus thread.
pub type FrameWatch = Box<dyn FnMut(&Gateway, MonoTime, &Frame) + Send>;

/// Everything that [`super::run`] needs.
pub struct Plan {
    /// Deployment and profile.
    pub config: Config,
    /// Input that does not come from an interface: the simulated car's.
    pub stimuli: Option<mpsc::Receiver<Stimulus>>,
    /// Buses that are fed by [`Self::stimuli`] instead of their interface.
    pub is_fed: Vec<BusId>,
    /// Buses that are read from these sockets instead of their interface: connected datagram sockets of any kind, each
    /// of whose datagrams is a `struct can_frame` or `struct canfd_frame`.
    pub sockets: BTreeMap<BusId, OwnedFd>,
    /// Called once a second.
    pub observer: Option<Observer>,
    /// Called after each frame.
    pub frame_watch: Option<FrameWatch>,
    /// Ends the daemon as SIGTERM does.
    pub stop: Option<oneshot::Receiver<()>>,
    /// What SIGHUP does.
    pub reload: Box<dyn Fn() + Send>,
}

/// One thing that happened to the simulated car.
#[derive(Debug)]
pub enum Stimulus {
    /// A frame was received on that bus.
    Frame(BusId, Frame),
    /// The GNSS receiver said something.
    Gnss(Vec<u8>),
    /// The modem found a network again.
    NetworkChanged,
}

impl Plan {
    /// The plan of a daemon on real interfaces.
    #[must_use]
    pub fn new(config: Config, reload: Box<dyn Fn() + Send>) -> Self {
        Self {
            config,
            stimuli: None,
            is_fed: Vec::new(),
            sockets: BTreeMap::new(),
            observer: None,
            frame_watch: None,
            stop: None,
            reload,
        }
    }

    /// The listener of the metrics page, if the deployment wants one.
    pub(super) async fn metrics_page(&self) -> Result<Option<Listener>, Failure> {
        let address = match &self.config.deployment.metrics {
            None => return Ok(None),
            Some(Listen::Tcp(address)) => Address::Tcp(*address),
            Some(Listen::Unix(path)) => Address::Unix(path.clone()),
        };
        Listener::bind(&address).await.map(Some).map_err(|error| match error {
            BindError::NotLoopback(_) | BindError::NotASocket(_) => Failure::setting(error),
            BindError::Io { .. } => Failure::Metrics(error),
        })
    }
}

/// Why the daemon ended, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A setting that only the running machine shows to be wrong: the deployment's author must act.
    #[error("{0}")]
    Setting(String),
    /// The store's directory cannot be used: the operator must act.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address of the metrics page is taken, perhaps only for now: the operator must free it.
    #[error(transparent)]
    Metrics(BindError),
    /// The system refused something ordinary: the operator must look at its limits.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A part ended unasked: a defect, to be reported with the log.
    #[error("the part `{0}` ended unasked; this is a defect, please report it with the log")]
    Task(&'static str),
}

impl Failure {
    pub(super) const fn system(doing: &'static str, source: std::io::Error) -> Self {
        Self::System { doing, source }
    }

    pub(super) fn setting(error: impl Display) -> Self {
        Self::Setting(error.to_string())
    }
}
