//! The handler that lets a process survive a file that is cut short is no business of anybody else: every other SIGBUS goes
//! where it went before, whoever handled it, before us or after us; and whatever comes of that, a cut is survived.
//!
//! Each case is a process of its own, since a handler is a whole process's.

#![allow(unsafe_code, reason = "signal handlers, and pages that are gone")]

mod support;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use sharray::{Error, survive_truncation};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::Relaxed};
use support::child::{Child, Task};
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[
    ("foreign fault", foreign_fault),
    ("own raise", own_raise),
    ("sent", sent),
    ("ignored", ignored),
    ("ignored fault", ignored_fault),
    ("older handler", older_handler),
    ("older plain handler", older_plain_handler),
    ("healer", healer),
    ("reporter before", reporter_before),
    ("reporter after", reporter_after),
    ("reporter around", reporter_around),
    ("runtime's own", runtimes_own),
    ("forked", forked),
    ("taken away", taken_away),
];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("a_fault_elsewhere_kills", || dies("foreign fault")),
            Test::new("a_signal_that_is_raised_kills", || dies("own raise")),
            Test::new("a_signal_that_is_sent_kills", || dies("sent")),
            Test::new("an_ignored_signal_stays_ignored", || lives("ignored")),
            Test::new("nobody_can_ignore_a_fault", || dies("ignored fault")),
            Test::new("an_older_handler_gets_what_is_not_ours", || lives("older handler")),
            Test::new("an_older_handler_without_particulars_does_too", || lives("older plain handler")),
            Test::new("an_older_handler_may_mend_its_own", || lives("healer")),
            Test::new("a_crash_reporter_that_was_there_reports_and_dies", || dies("reporter before")),
            Test::new("a_crash_reporter_that_comes_later_does_no_harm", || dies("reporter after")),
            Test::new("one_that_stands_before_and_behind_does_not_go_round_in_circles", || dies("reporter around")),
            Test::new("the_runtimes_own_handler_takes_itself_out_and_not_ours", || lives("runtime's own")),
            Test::new("a_forked_child_survives_too", || lives("forked")),
            Test::new("the_next_map_puts_back_what_somebody_took_away", || lives("taken away")),
        ],
    )
}

fn lives(role: &str) -> Outcome {
    Child::start(role, [""; 0])?.succeed()
}

/// It comes to where it should die, and dies of this very signal.
fn dies(role: &str) -> Outcome {
    let mut child = Child::start(role, [""; 0])?;
    child.expect("now")?;
    let status = child.wait()?;
    ensure_eq!(status.signal(), Some(libc::SIGBUS), "what {role} died of ({status})");
    Ok(())
}

/// A map of two pages of a file that is cut.
struct Cut {
    _folder: tempfile::TempDir,
    map: sharray::Memmap<u8, ndarray::Ix1>,
}

impl Cut {
    fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("data");
        std::fs::write(&path, vec![1; 8192])?;
        let map = sharray::memmap::<u8>(&path).open()?;
        File::create(&path)?;
        Ok(Self { _folder: folder, map })
    }

    /// Touches it, and survives.
    fn survive(&self) -> Outcome {
        ensure_eq!(self.map.view()[5000], 0, "what is gone");
        let told = self.map.check_whole();
        ensure!(matches!(told, Err(Error::Truncated { found: 0, expected: 8192, .. })), "it is told: {told:?}");
        Ok(())
    }
}

/// Touches a page of a map that is none of the library's, and gone.
fn touch_foreign() -> Outcome {
    let file = tempfile::tempfile()?;
    file.set_len(8192)?;
    let map = map_foreign(&file)?;
    file.set_len(0)?;
    // SAFETY: it is mapped; that it is gone is the point.
    let byte = unsafe { map.wrapping_add(4096).read_volatile() };
    ensure_eq!(byte, 0, "what is gone");
    Ok(())
}

fn map_foreign(file: &File) -> Outcome<*mut u8> {
    use std::os::fd::AsRawFd;
    // SAFETY: the kernel chooses a free place.
    let map = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            8192,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    ensure!(map != libc::MAP_FAILED, "it is mapped");
    Ok(map.cast())
}

/// What a fault was about.
fn address_of(info: *const libc::siginfo_t) -> *mut libc::c_void {
    // SAFETY: the kernel's, handed on.
    let about = unsafe { &*info };
    // SAFETY: a fault has an address.
    unsafe { about.si_addr() }
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// Installs a handler, and returns the one that was there.
fn install(function: libc::sighandler_t, flags: libc::c_int) -> libc::sigaction {
    // SAFETY: both are plain numbers, for which all zeros is a value.
    let (mut new, mut old): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
    (new.sa_sigaction, new.sa_flags) = (function, flags);
    // SAFETY: both live, and the function is of the type that the flags say.
    unsafe { libc::sigaction(libc::SIGBUS, &raw const new, &raw mut old) };
    old
}

fn install_function(function: Handler) -> libc::sigaction {
    install(function as libc::sighandler_t, libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER)
}

fn default_action() {
    install(libc::SIG_DFL, 0);
}

fn foreign_fault(task: &Task) -> Outcome {
    default_action();
    survive_truncation()?;
    Cut::new()?.survive()?;
    task.say("now")?;
    touch_foreign()
}

fn own_raise(task: &Task) -> Outcome {
    default_action();
    survive_truncation()?;
    Cut::new()?.survive()?;
    task.say("now")?;
    nix::sys::signal::raise(Signal::SIGBUS)?;
    Err("it lives".into())
}

fn sent(task: &Task) -> Outcome {
    default_action();
    survive_truncation()?;
    Cut::new()?.survive()?;
    task.say("now")?;
    nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGBUS)?;
    Err("it lives".into())
}

fn ignored(_task: &Task) -> Outcome {
    install(libc::SIG_IGN, 0);
    survive_truncation()?;
    for _ in 0..3 {
        nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGBUS)?;
        Cut::new()?.survive()?;
    }
    Ok(())
}

fn ignored_fault(task: &Task) -> Outcome {
    install(libc::SIG_IGN, 0);
    survive_truncation()?;
    task.say("now")?;
    touch_foreign()
}

static CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn end_well(_signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let address = address_of(info);
    let is_told = !context.is_null() && address.addr() % 4096 == 0 && !address.is_null();
    // SAFETY: ends the process.
    unsafe { libc::_exit(if is_told { 0 } else { 3 }) }
}

fn older_handler(_task: &Task) -> Outcome {
    install_function(end_well);
    survive_truncation()?;
    Cut::new()?.survive()?;
    touch_foreign()?;
    Err("the older handler was not called".into())
}

extern "C" fn count(_signal: libc::c_int) {
    CALLS.fetch_add(1, Relaxed);
}

fn older_plain_handler(_task: &Task) -> Outcome {
    install(count as extern "C" fn(libc::c_int) as libc::sighandler_t, 0);
    survive_truncation()?;
    for call in 1..4 {
        nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGBUS)?;
        ensure_eq!(CALLS.load(Relaxed), call, "how often the older handler was called");
        Cut::new()?.survive()?;
    }
    Ok(())
}

/// Another library that does as we do.
extern "C" fn heal(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    CALLS.fetch_add(1, Relaxed);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    let address = address_of(info);
    let page = address.map_addr(|address| address & !4095);
    // SAFETY: the page of this test that was touched.
    unsafe { libc::mmap(page, 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
}

fn healer(_task: &Task) -> Outcome {
    install_function(heal);
    survive_truncation()?;
    for call in 1..4 {
        touch_foreign()?;
        ensure_eq!(CALLS.load(Relaxed), call, "how often the older handler was called");
        Cut::new()?.survive()?;
    }
    Ok(())
}

static BEFORE_REPORTER: AtomicPtr<libc::sigaction> = AtomicPtr::new(std::ptr::null_mut());
static REPORTS: AtomicU32 = AtomicU32::new(0);
static IS_ENABLED: AtomicBool = AtomicBool::new(false);

/// Does as Python's faulthandler: puts back what it replaced, reports, and raises the signal again.
extern "C" fn report(signal: libc::c_int, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    if IS_ENABLED.swap(false, Relaxed) {
        // SAFETY: it was stored before this handler was installed, and is never freed.
        unsafe { libc::sigaction(signal, BEFORE_REPORTER.load(Relaxed), std::ptr::null_mut()) };
    }
    if REPORTS.fetch_add(1, Relaxed) > 3 {
        // SAFETY: ends the process.
        unsafe { libc::_exit(4) }
    }
    // SAFETY: takes a number.
    unsafe { libc::raise(signal) };
}

fn install_reporter() {
    IS_ENABLED.store(true, Relaxed);
    let before = install_function(report);
    BEFORE_REPORTER.store(Box::into_raw(Box::new(before)), Relaxed);
}

fn reporter_before(task: &Task) -> Outcome {
    default_action();
    install_reporter();
    survive_truncation()?;
    Cut::new()?.survive()?;
    ensure_eq!(REPORTS.load(Relaxed), 0, "reports of what was survived");
    task.say("now")?;
    touch_foreign()
}

fn reporter_after(task: &Task) -> Outcome {
    default_action();
    survive_truncation()?;
    let cut = [Cut::new()?, Cut::new()?];
    install_reporter();
    // It reports, and nobody dies; and by that it has put itself away.
    cut[0].survive()?;
    ensure_eq!(REPORTS.load(Relaxed), 1, "reports");
    cut[1].survive()?;
    ensure_eq!(REPORTS.load(Relaxed), 1, "reports");
    // On a thread without another stack, too.
    install_reporter();
    let other = std::thread::spawn(|| -> Outcome {
        let disabled = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: the thread is not on that stack now.
        unsafe { libc::sigaltstack(&raw const disabled, std::ptr::null_mut()) };
        let folder = tempfile::tempdir()?;
        let field = sharray::SharedArray::<u8>::builder()
            .directory(&sharray::Directory::open(folder.path())?)
            .create("a", ndarray::IxDyn(&[9000]))?;
        install_reporter();
        File::create(folder.path().join("a"))?;
        ensure!(matches!(field.snapshot(), Err(Error::Truncated { .. })), "it is told");
        Ok(())
    });
    other.join().map_err(|_| "it panicked")??;
    drop(cut);
    task.say("now")?;
    touch_foreign()
}

fn reporter_around(task: &Task) -> Outcome {
    default_action();
    survive_truncation()?;
    install_reporter();
    // The map puts our handler in front of the reporter's, which knows ours as the one to put back.
    let cut = Cut::new()?;
    cut.survive()?;
    ensure_eq!(REPORTS.load(Relaxed), 0, "reports of what was survived");
    drop(cut);
    task.say("now")?;
    touch_foreign()
}

/// The runtime's handler, which is for overflows of the stack, takes itself out at whatever else it is called for.
fn runtimes_own(_task: &Task) -> Outcome {
    survive_truncation()?;
    let cut = Cut::new()?;
    nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGBUS)?;
    cut.survive()
}

fn forked(_task: &Task) -> Outcome {
    survive_truncation()?;
    let cut = Cut::new()?;
    // SAFETY: this process has no other thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let outcome = cut.survive().and_then(|()| Cut::new()?.survive());
            // SAFETY: ends the process without running what the parent registered.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None)?;
            ensure!(matches!(status, WaitStatus::Exited(_, 0)), "the child: {status:?}");
        }
    }
    cut.map.check_whole()?;
    cut.survive()
}

fn taken_away(_task: &Task) -> Outcome {
    survive_truncation()?;
    default_action();
    Cut::new()?.survive()
}
