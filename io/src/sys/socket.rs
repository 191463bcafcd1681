//! Sockets in the file system that carry whole messages and open files between processes of one machine, and say who
//! is on the other side.

use std::{
    fs::{self, File},
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{FileTypeExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, recv, recvmsg, send,
        sendmsg, socket_with, sockopt::socket_peercred,
    },
};

/// Files that one message may carry.
const FILES_MAX: usize = 2;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// Where others connect to us; its name goes away with it.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    path: PathBuf,
}

/// A connection.
#[derive(Debug)]
pub struct Connection(OwnedFd);

/// Who is on the other side: what the system says, not what the peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The number of its process.
    pub pid: u32,
    /// Its user.
    pub user: u32,
}

/// What is ready of those that are waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to receive, or to accept.
    pub input: bool,
    /// The other side has gone.
    pub end: bool,
}

impl Listener {
    /// Listens at `path`. A socket that nobody listens at any more is replaced; one that somebody does is an error.
    pub fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        if path.symlink_metadata().is_ok_and(|data| data.file_type().is_socket()) {
            match Connection::open(path) {
                Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(_) => fs::remove_file(path)?,
            }
        }
        let fd = new_socket()?;
        bind(&fd, &address)?;
        // Nobody can connect before `listen`.
        let listener = Self { fd, path: path.into() };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        listen(&listener.fd, BACKLOG)?;
        Ok(listener)
    }

    /// The next who wants to connect, if somebody does.
    pub fn accept(&self) -> io::Result<Option<Connection>> {
        match accept_with(&self.fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(fd) => Ok(Some(Connection(fd))),
            // Whoever came has gone again.
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = fs::remove_file(&self.path);
    }
}

impl Connection {
    /// Connects to whoever listens at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = new_socket()?;
        connect(&fd, &SocketAddrUnix::new(path)?)?;
        Ok(Self(fd))
    }

    /// Two ends of a connection within this process.
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self(a), Self(b)))
    }

    /// Who is on the other side.
    pub fn peer(&self) -> io::Result<Peer> {
        let peer = socket_peercred(&self.0)?;
        Ok(Peer { pid: peer.pid.as_raw_nonzero().get().unsigned_abs(), user: peer.uid.as_raw() })
    }

    /// Sends a message without ever waiting; false if the other side does not take its messages.
    pub fn send(&self, message: &[u8]) -> io::Result<bool> {
        match send(&self.0, message, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a message and open files with it.
    pub fn send_files(&self, message: &[u8], files: &[&File]) -> io::Result<()> {
        let files: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::Error::other("too many files for a message"));
        }
        sendmsg(&self.0, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        Ok(())
    }

    /// Receives a message, without files: any that come with it are closed. Its length, 0 at the end; `None` if there
    /// is none now.
    pub fn receive(&self, message: &mut [u8]) -> io::Result<Option<usize>> {
        match recv(&self.0, message, RecvFlags::DONTWAIT) {
            Ok((_, len)) => Ok(Some(len)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Receives a message and the files that come with it; waits up to `timeout`.
    pub fn receive_files(&self, message: &mut [u8], timeout: Duration) -> io::Result<(usize, Vec<File>)> {
        if wait(&[self.0.as_fd()], Some(timeout))? == [Ready::default()] {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = recvmsg(&self.0, &mut [IoSliceMut::new(message)], &mut control, flags)?;
        let files = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files.map(File::from).collect::<Vec<_>>()),
            _ => None,
        });
        Ok((received.bytes, files.flatten().collect()))
    }

    /// Whether the other side is still there.
    pub fn is_open(&self) -> bool {
        let ready = wait(&[self.0.as_fd()], Some(Duration::ZERO));
        ready.is_ok_and(|ready| !ready[0].end)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until something can be received from one of them, or one has ended; for ever without a timeout.
pub fn wait(fds: &[std::os::fd::BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
    let mut polled: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let timeout = timeout
        .map(|timeout| Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) });
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ended = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    let ready =
        |fd: &PollFd<'_>| Ready { input: fd.revents().contains(PollFlags::IN), end: fd.revents().intersects(ended) };
    Ok(polled.iter().map(ready).collect())
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}
