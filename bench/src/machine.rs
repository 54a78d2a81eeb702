//! What Linux says about processes and the machine: CPU time, memory, load of others.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Clock ticks in a second, as `/proc` counts (USER_HZ).
const TICKS: u64 = 100;

/// CPU time of one process, so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpu {
    /// User and system time of all threads that ever were, in ticks of 10 ms.
    coarse: Duration,
    /// The same of each thread that lives, in nanoseconds.
    threads: BTreeMap<u64, Duration>,
}

impl Cpu {
    /// Of the process `pid`. A process that has ended used nothing.
    pub(crate) fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<u64> = after_name(&stat).filter_map(|field| field.parse().ok()).collect();
        // Fields 14 and 15 of proc(5); the state, a letter, is not among those that parsed.
        let ticks = fields.get(10).zip(fields.get(11)).map_or(0, |(user, system)| user + system);
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let spent = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            let spent = spent.split(' ').next().and_then(|nanos| nanos.parse().ok());
            let id = thread.file_name().to_string_lossy().parse();
            if let (Some(spent), Ok(id)) = (spent, id) {
                threads.insert(id, Duration::from_nanos(spent));
            }
        }
        Self { coarse: Duration::from_millis(ticks * 1_000 / TICKS), threads }
    }

    /// From `earlier` to this. To the nanosecond, unless a thread has ended in between.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        if earlier.threads.keys().all(|thread| self.threads.contains_key(thread)) {
            let sum = |cpu: &Self| cpu.threads.values().sum::<Duration>();
            return sum(self).saturating_sub(sum(earlier));
        }
        self.coarse.saturating_sub(earlier.coarse)
    }
}

/// CPU time of the calling thread, so far.
pub(crate) fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The fields of a `stat` file after the name, which may hold anything.
fn after_name(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace()
}

/// Resident memory of `pid`, in KiB.
pub(crate) fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Bytes that `pid` has had written to the disk.
pub(crate) fn written(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

/// Time in which any core did anything, for anybody.
fn busy() -> Duration {
    let stat = fs::read_to_string("/proc/stat").expect("Linux");
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal: all but idle and iowait. (guest is in user already.)
    let ticks: u64 =
        fields.iter().take(8).enumerate().filter(|(at, _)| ![3, 4].contains(at)).map(|(_, t)| t).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

/// A stretch of time in which a server and this program work, and what others take meanwhile.
pub(crate) struct Watch {
    server: u32,
    start: Instant,
    server_cpu: Cpu,
    own_cpu: Cpu,
    busy: Duration,
}

/// What a [`Watch`] saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) time: Duration,
    /// CPU time of the server.
    pub(crate) server: Duration,
    /// CPU time of the load generator.
    pub(crate) own: Duration,
    /// Cores that anything else kept busy.
    pub(crate) foreign: f64,
}

impl Watch {
    pub(crate) fn start(server: u32) -> Self {
        let (server_cpu, own_cpu) = (Cpu::of(server), Cpu::of(std::process::id()));
        Self { server, start: Instant::now(), server_cpu, own_cpu, busy: busy() }
    }

    pub(crate) fn stop(&self) -> Seen {
        let time = self.start.elapsed();
        let server = Cpu::of(self.server).since(&self.server_cpu);
        let own = Cpu::of(std::process::id()).since(&self.own_cpu);
        let others = busy().saturating_sub(self.busy).saturating_sub(server + own);
        Seen { time, server, own, foreign: others.as_secs_f64() / time.as_secs_f64() }
    }
}

/// Processor, cores, kernel and distribution, in one line.
pub(crate) fn description() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = info.lines().filter_map(|line| line.strip_prefix("model name")).collect();
    let model =
        models.first().map_or("unknown processor", |model| model.trim_start_matches([' ', '\t', ':']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    format!("{model}, {} cores, {}, kernel {}", models.len(), system.trim_matches('"'), kernel.trim())
}
