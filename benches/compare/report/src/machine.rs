//! The machine that was measured: what a reader needs to know before comparing the figures with others.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A fact has a name and a value.
pub(crate) type Fact = (String, String);

/// What contends, as it is called by Cargo's lock file and by pip.
const CRATES: [&str; 6] = ["sharray", "iceoryx2", "mmap-sync", "raw_sync", "shared_memory", "memmap2"];
const PACKAGES: [&str; 4] = ["numpy", "iceoryx2", "SharedArray", "pyzmq"];

/// All that is known, in the order in which it is shown. What the machine does not say is left out.
pub(crate) fn facts(lock_file: &Path, python: Option<&Path>) -> Vec<Fact> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut facts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value)));
    };
    add("Processor", processor(&cpus));
    add("CPUs", cpu_count(&cpus));
    add("Caches", Some(caches()));
    add("Memory", memory());
    add("Kernel", line_of("/proc/sys/kernel/osrelease").map(|release| format!("Linux {release}")));
    add("System", field(&fs::read_to_string("/etc/os-release").unwrap_or_default(), "PRETTY_NAME", '='));
    add("Virtual machine", virtual_machine(&cpus));
    add("Frequency governor", Some(governor()));
    add("Huge pages", huge_pages("enabled"));
    add("Huge pages in shared memory", huge_pages("shmem_enabled"));
    add("C library", said("getconf", &["GNU_LIBC_VERSION"]));
    add("Compiler", said("rustc", &["--version"]));
    add("Crates", fs::read_to_string(lock_file).ok().map(|text| crates(&text)));
    if let Some(python) = python.and_then(Path::to_str) {
        add("Python", said(python, &["--version"]).map(|it| it.replace("Python ", "CPython ")));
        add(
            "Python packages",
            said(python, &["-m", "pip", "freeze", "--disable-pip-version-check"]).map(|it| packages(&it)),
        );
    }
    facts
}

fn processor(cpus: &str) -> Option<String> {
    let of = |key| field(cpus, key, ':');
    let model = of("model name")?;
    Some(match (of("cpu family"), of("model"), of("stepping")) {
        (Some(family), Some(number), Some(stepping)) => {
            format!("{model} (family {family}, model {number}, stepping {stepping})")
        }
        _ => model,
    })
}

fn cpu_count(cpus: &str) -> Option<String> {
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let siblings = line_of("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")?;
    let threads = if siblings.contains([',', '-']) { "several threads a core" } else { "one thread a core" };
    Some(format!("{count}, {threads}"))
}

/// The caches that the first CPU sees.
fn caches() -> String {
    let of = |at: u32, what: &str| line_of(&format!("/sys/devices/system/cpu/cpu0/cache/index{at}/{what}"));
    let known =
        (0..8).filter_map(|at| Some((of(at, "level")?, of(at, "type")?, of(at, "size")?, of(at, "shared_cpu_list")?)));
    let each = known.map(|(level, kind, size, shared)| {
        let letter = if kind == "Data" {
            "d"
        } else if kind == "Instruction" {
            "i"
        } else {
            ""
        };
        format!("L{level}{letter} {size} (CPUs {shared})")
    });
    each.collect::<Vec<_>>().join(", ")
}

fn memory() -> Option<String> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let kib: f64 = field(&info, "MemTotal", ':')?.trim_end_matches("kB").trim().parse().ok()?;
    Some(format!("{:.1} GiB", kib / 1024.0 / 1024.0))
}

fn virtual_machine(cpus: &str) -> Option<String> {
    let is_guest = field(cpus, "flags", ':')?.split_whitespace().any(|flag| flag == "hypervisor");
    let kind = said("systemd-detect-virt", &["--vm"]).or_else(|| line_of("/sys/hypervisor/type"));
    Some(match (is_guest, kind.filter(|kind| kind != "none")) {
        (_, Some(kind)) => format!("yes ({kind})"),
        (true, None) => "yes".to_owned(),
        (false, None) => "no".to_owned(),
    })
}

fn governor() -> String {
    line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").unwrap_or_else(|| "none to be seen".to_owned())
}

/// The setting in force, which the kernel shows in brackets.
fn huge_pages(file: &str) -> Option<String> {
    let text = line_of(&format!("/sys/kernel/mm/transparent_hugepage/{file}"))?;
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

/// The versions of those that contend, from Cargo's lock file.
fn crates(lock: &str) -> String {
    let version = |name: &str| {
        let package = lock.split("[[package]]").find(|it| field(it, "name", '=').as_deref() == Some(name))?;
        Some(format!("{name} {}", field(package, "version", '=')?))
    };
    CRATES.iter().filter_map(|name| version(name)).collect::<Vec<_>>().join(", ")
}

/// The versions of those that contend, from what pip says.
fn packages(freeze: &str) -> String {
    let version = |name: &str| {
        let of = |line: &str| {
            line.split_once("==").filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|it| it.1.to_owned())
        };
        Some(format!("{name} {}", freeze.lines().find_map(of)?))
    };
    PACKAGES.iter().filter_map(|name| version(name)).collect::<Vec<_>>().join(", ")
}

/// The first line of a file of the kernel's, if it is there.
fn line_of(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.lines().next()?.trim().to_owned())
}

/// The value in a line `KEY: VALUE` or `KEY = "VALUE"`.
fn field(text: &str, key: &str, separator: char) -> Option<String> {
    let pairs = text.lines().filter_map(|line| line.split_once(separator));
    let (_, value) = pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| *name == key)?;
    Some(value.trim_matches('"').to_owned())
}

/// What a program prints, if it is there and succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_that_were_built() {
        let lock = "[[package]]\nname = \"iceoryx2-bb\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"iceoryx2\"\nversion = \"0.10.0\"\n";
        assert_eq!(crates(lock), "iceoryx2 0.10.0");
        assert_eq!(packages("numpy==2.1.0\npyzmq==27\nsharray @ file:///x\n"), "numpy 2.1.0, pyzmq 27");
    }

    #[test]
    fn a_processor_is_told_by_its_numbers_too() {
        let text = "processor\t: 0\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nstepping\t: 1\n";
        assert_eq!(processor(text).as_deref(), Some("AMD EPYC (family 26, model 2, stepping 1)"));
    }

    #[test]
    fn this_machine_has_a_processor_and_memory() {
        let names: Vec<String> = facts(Path::new("none"), None).into_iter().map(|(name, _)| name).collect();
        assert!(["CPUs", "Memory", "Kernel"].iter().all(|wanted| names.iter().any(|name| name == wanted)), "{names:?}");
    }
}
