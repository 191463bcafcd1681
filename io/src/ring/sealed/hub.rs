//! The engine's side: a thread that listens, hands out lanes and hears of rows and of ends. Readers of this process
//! take the lanes up beside those of the folder.

use std::{
    fs::File,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use firesteel_core::{
    Error, Result,
    ring::{region::RegionMut, rows_since},
};

use super::{
    super::{
        Listen, StreamFolder,
        bell::Bell,
        lane::{self, OpenLane},
    },
    page,
    wire::{self, Welcome},
};
use crate::sys::{
    Mapping, file,
    memory::{self, Writers},
    scarce,
    socket::{self, Connection, Listener, Peer},
};

/// How long whoever connects may take to say what it wants.
const HELLO_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections that have not said what they want.
const PENDING_MAX: usize = 16;
/// Messages of one producer that are taken at a time.
const MESSAGES_AT_ONCE: usize = 64;
/// Pause after messages: a producer that sends them without need costs no more than this allows.
const PAUSE: Duration = Duration::from_micros(50);

/// Hubs of this process: queries that read the same table share one.
static HUBS: Mutex<Vec<(PathBuf, Weak<Hub>)>> = Mutex::new(Vec::new());

/// A place where producers connect.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    /// Ends the thread when it is dropped.
    stop: Option<Connection>,
    thread: Option<JoinHandle<()>>,
}

/// A reader's membership: what it has not given back, nobody overwrites.
#[derive(Debug)]
pub struct Member {
    hub: Arc<Hub>,
    id: u64,
}

/// A lane that a producer was handed.
#[derive(Debug)]
pub struct SealedLane {
    /// The producer's name for it, and its process: no lane of a folder has such a name.
    pub name: String,
    pub open: Arc<OpenLane>,
    page: RegionMut,
    is_connected: AtomicBool,
}

#[derive(Debug)]
struct Shared {
    listen: Listen,
    folder: StreamFolder,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lanes: Vec<Held>,
    members: Vec<u64>,
    members_ever: u64,
}

/// A lane, and what each reader has given back of it: `None` if it is done with the lane.
#[derive(Debug)]
struct Held {
    lane: Arc<SealedLane>,
    given_back: Vec<(u64, Option<u64>)>,
}

#[derive(Debug)]
struct Client {
    connection: Connection,
    peer: Peer,
    since: Instant,
    lane: Option<Arc<SealedLane>>,
}

impl Hub {
    /// Listens for producers of the stream in `folder`. Who listens there already in this process is joined.
    pub fn join(folder: &StreamFolder, listen: &Listen) -> Result<Member> {
        let path = std::path::absolute(&listen.path).unwrap_or_else(|_| listen.path.clone());
        let mut hubs = HUBS.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.retain(|(_, hub)| hub.strong_count() > 0);
        let known = hubs.iter().find(|(other, _)| *other == path).and_then(|(_, hub)| hub.upgrade());
        let hub = match known {
            Some(hub) if hub.shared.folder.path() == folder.path() => hub,
            Some(_) => return Err(in_use(&path)),
            None => {
                let hub = Arc::new(Self::start(folder.clone(), listen)?);
                hubs.push((path, Arc::downgrade(&hub)));
                hub
            }
        };
        let id = hub.shared.state().add_member();
        Ok(Member { hub, id })
    }

    fn start(folder: StreamFolder, listen: &Listen) -> Result<Self> {
        // Who may connect is decided by what the system says of each; others need not even get that far.
        let mode = if listen.users.as_ref().is_some_and(Vec::is_empty) { 0o600 } else { 0o666 };
        let listener = Listener::bind(&listen.path, mode).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => in_use(&listen.path),
            _ => Error::io(format!("listening at {}: {error}", listen.path.display()))
                .hint("option `listen` is a path of up to 107 bytes in a folder that exists"),
        })?;
        let bell = Bell::open(folder.path())?;
        let (stop, stopped) = Connection::pair().map_err(|e| Error::io(format!("a socket: {e}")))?;
        let shared = Arc::new(Shared { listen: listen.clone(), folder, state: Mutex::default() });
        let thread = scarce::spawn("firesteel-listen", "to listen with", {
            let shared = shared.clone();
            move || Thread { shared, listener, bell, clients: Vec::new() }.run(&stopped)
        })?;
        Ok(Self { shared, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

impl Member {
    /// Lanes that this reader is not done with, and the row to begin with in each.
    pub fn lanes(&self) -> Vec<(Arc<SealedLane>, u64)> {
        let state = self.hub.shared.state();
        let wanted = |held: &&Held| held.of(self.id).is_none_or(|row| row.is_some());
        let start = |held: &Held| held.of(self.id).flatten().unwrap_or_else(|| held.lane.given_back());
        state.lanes.iter().filter(wanted).map(|held| (held.lane.clone(), start(held))).collect()
    }

    /// Gives back the rows of a lane before `row`.
    pub fn commit(&self, lane: &Arc<SealedLane>, row: u64) {
        self.hub.shared.state().give_back(lane, self.id, Some(row));
    }

    /// Will read no more of a lane.
    pub fn leave(&self, lane: &Arc<SealedLane>) {
        self.hub.shared.state().give_back(lane, self.id, None);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.hub.shared.state().remove_member(self.id);
    }
}

impl SealedLane {
    /// Whether its producer is there.
    pub fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    /// Asks to be told of rows.
    pub fn set_asleep(&self) {
        self.page.store_u32(page::ASLEEP, 1, Ordering::Relaxed);
    }

    fn given_back(&self) -> u64 {
        self.page.load_u64(page::GIVEN_BACK, Ordering::Relaxed)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_come(&self, peer: Peer) -> bool {
        let is_ours = Some(peer.user) == file::own_user() || peer.user == 0;
        is_ours || self.listen.users.as_ref().is_none_or(|users| users.contains(&peer.user))
    }

    /// Makes a lane for a producer: the memory that goes to it, and what we keep.
    fn make_lane(&self, name: &str, peer: Peer) -> Result<(File, File, Arc<SealedLane>)> {
        let lanes = self.state().lanes.len();
        if lanes >= self.listen.lanes_max {
            return Err(Error::limit(format!("{lanes} producers are connected, or their rows are not read yet"))
                .hint("option `listenLanes` says how many may be"));
        }
        let failed = |e: std::io::Error| Error::io(format!("memory for a lane: {e}"));
        let header = lane::new_header(&self.folder)?;
        let bytes = header.layout.file_bytes();
        let (file, region) = memory::create("firesteel-lane", bytes, Writers::All).map_err(failed)?;
        header.write(&region);
        drop(region);
        let (page_file, page) = memory::create("firesteel-page", page::BYTES, Writers::Us).map_err(failed)?;
        page.store_u32(page::VERSION_AT, page::VERSION, Ordering::Relaxed);
        page.store_u64(0, page::MAGIC, Ordering::Release);
        let region = Mapping::read_only(&file, bytes as usize, true).map_err(failed)?;
        let ours = file.try_clone().map_err(failed)?;
        let name = format!("{name}@{}", peer.pid);
        let path = PathBuf::from(format!("{} (lane {name})", self.listen.path.display()));
        let open = Arc::new(OpenLane { header, region, path, file: ours, is_handed_over: true });
        Ok((file, page_file, Arc::new(SealedLane { name, open, page, is_connected: AtomicBool::new(true) })))
    }
}

impl State {
    fn add_member(&mut self) -> u64 {
        self.members_ever += 1;
        self.members.push(self.members_ever);
        self.members_ever
    }

    fn remove_member(&mut self, id: u64) {
        self.members.retain(|member| *member != id);
        self.lanes.iter_mut().for_each(|held| held.given_back.retain(|(member, _)| *member != id));
        self.settle();
    }

    fn give_back(&mut self, lane: &Arc<SealedLane>, id: u64, row: Option<u64>) {
        let Some(held) = self.lanes.iter_mut().find(|held| Arc::ptr_eq(&held.lane, lane)) else { return };
        match held.given_back.iter_mut().find(|(member, _)| *member == id) {
            Some((_, given_back)) => *given_back = row,
            None => held.given_back.push((id, row)),
        }
        self.settle();
    }

    /// Tells producers what all readers have given back, and forgets lanes that all are done with.
    fn settle(&mut self) {
        let members = &self.members;
        self.lanes.retain(|held| {
            let rows: Vec<Option<Option<u64>>> = members.iter().map(|member| held.of(*member)).collect();
            if rows.iter().all(Option::is_some) {
                let earlier = |a: u64, b: u64| if rows_since(a, b).is_some() { b } else { a };
                if let Some(row) = rows.iter().filter_map(|row| row.flatten()).reduce(earlier) {
                    // Pairs with the acquire load of the producer: we have read all that we give back.
                    held.lane.page.store_u64(page::GIVEN_BACK, row, Ordering::Release);
                }
            }
            members.is_empty() || rows.iter().any(|row| *row != Some(None))
        });
    }
}

impl Held {
    /// What a reader has given back: `None` if it has not seen the lane yet.
    fn of(&self, member: u64) -> Option<Option<u64>> {
        self.given_back.iter().find(|(other, _)| *other == member).map(|(_, row)| *row)
    }
}

struct Thread {
    shared: Arc<Shared>,
    listener: Listener,
    bell: Bell,
    clients: Vec<Client>,
}

impl Thread {
    fn run(mut self, stopped: &Connection) {
        loop {
            let mut fds = vec![stopped.as_fd(), self.listener.as_fd()];
            fds.extend(self.clients.iter().map(|client| client.connection.as_fd()));
            let has_pending = self.clients.iter().any(|client| client.lane.is_none());
            let Ok(ready) = socket::wait(&fds, has_pending.then_some(HELLO_TIMEOUT / 10)) else { break };
            if ready[0].input || ready[0].end {
                break;
            }
            self.serve(&ready[2..]);
            if ready[1].input {
                self.accept();
            }
        }
    }

    fn accept(&mut self) {
        match self.listener.accept() {
            Ok(Some(connection)) => {
                let pending = self.clients.iter().filter(|client| client.lane.is_none()).count();
                let Ok(peer) = connection.peer() else { return };
                if pending < PENDING_MAX {
                    self.clients.push(Client { connection, peer, since: Instant::now(), lane: None });
                }
            }
            Ok(None) => {}
            // Out of files, perhaps: they come back, and the connection waits.
            Err(_) => std::thread::sleep(HELLO_TIMEOUT / 100),
        }
    }

    fn serve(&mut self, ready: &[socket::Ready]) {
        let mut clients = std::mem::take(&mut self.clients);
        let mut ready = ready.iter();
        let (mut has_rows, mut has_changed) = (false, false);
        clients.retain_mut(|client| {
            let ready = ready.next().copied().unwrap_or_default();
            let had_lane = client.lane.is_some();
            let stays = self.serve_one(client, ready);
            has_rows |= ready.input;
            has_changed |= client.lane.is_some() && (!had_lane || !stays);
            if let Some(lane) = client.lane.as_ref().filter(|_| !stays) {
                lane.is_connected.store(false, Ordering::Release);
            }
            stays
        });
        self.clients = clients;
        if !self.bell.is_intact() || (has_changed && !self.bell.is_there()) {
            // Without one, readers find out in a second.
            if let Ok(bell) = Bell::renew(self.shared.folder.path()) {
                self.bell = bell;
            }
        }
        if has_changed {
            self.bell.announce();
        } else if has_rows {
            self.bell.rows().ring();
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether the client stays.
    fn serve_one(&self, client: &mut Client, ready: socket::Ready) -> bool {
        match &client.lane {
            None if ready.input => self.greet(client),
            None => !ready.end && client.since.elapsed() < HELLO_TIMEOUT,
            Some(lane) => {
                if ready.input {
                    // Rows that come from here on are told again, if we sleep again.
                    lane.page.store_u32(page::ASLEEP, 0, Ordering::SeqCst);
                    let mut message = [0; 8];
                    for _ in 0..MESSAGES_AT_ONCE {
                        match client.connection.receive(&mut message) {
                            Ok(None) => break,
                            Ok(Some(0)) | Err(_) => return false,
                            Ok(Some(_)) => {}
                        }
                    }
                }
                ready.input || !ready.end
            }
        }
    }

    /// Hands a lane to whoever asks for one and may have it.
    fn greet(&self, client: &mut Client) -> bool {
        let mut message = [0; wire::BYTES_MAX];
        let Ok(Some(len)) = client.connection.receive(&mut message) else { return false };
        match self.lane_for(&message[..len], client.peer) {
            Ok((file, page, lane)) => {
                let welcome = wire::welcome(&Welcome::Come);
                if client.connection.send_files(&welcome, &[&file, &page]).is_err() {
                    return false;
                }
                let mut state = self.shared.state();
                state.lanes.push(Held { lane: lane.clone(), given_back: Vec::new() });
                client.lane = Some(lane);
                true
            }
            Err(error) => {
                let hint = error.hint_text().map_or(String::new(), |hint| format!(" ({hint})"));
                let refused = Welcome::Refused(format!("{error}{hint}"));
                // Who does not listen is not told.
                let _ = client.connection.send(&wire::welcome(&refused));
                false
            }
        }
    }

    fn lane_for(&self, hello: &[u8], peer: Peer) -> Result<(File, File, Arc<SealedLane>)> {
        if !self.shared.may_come(peer) {
            return Err(Error::invalid(format!("user {} may not write to this ring", peer.user))
                .hint("option `listenUsers` says who may"));
        }
        self.shared.make_lane(wire::read_hello(hello)?, peer)
    }
}

fn in_use(path: &Path) -> Error {
    Error::io(format!("somebody listens at {} already", path.display()))
        .hint("a socket belongs to one ring of one engine; give this table another `listen`")
}
