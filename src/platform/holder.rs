//! Who holds a port, for the error that a taken port ends in. Linux tells, in /proc; elsewhere nobody is named.

use crate::text::printable;
use std::{fs, net::IpAddr, path::Path};

/// State of a listening socket in /proc/net/tcp.
const LISTEN: &str = "0A";

/// Most processes that are looked at. The answer is a courtesy; a machine with more has to do without.
const MOST_PROCESSES: usize = 10_000;

/// Whoever listens at `address` and `port`, or at all addresses: `pid 123 (nc)`, or the user where the process is hidden.
pub fn of(address: IpAddr, port: u16) -> Option<String> {
    let found = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| table.lines().filter_map(Entry::read).find(|entry| entry.answers(address, port)))?;
    let process = process_with(&format!("socket:[{}]", found.inode));
    Some(process.unwrap_or_else(|| format!("a process of user {}", printable(&found.uid))))
}

/// A listening socket as the kernel lists it.
struct Entry {
    address: String,
    port: u16,
    uid: String,
    inode: String,
}

impl Entry {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (address, port) = words.nth(1)?.split_once(':')?;
        let listens = words.nth(1)? == LISTEN;
        let (uid, inode) = (words.nth(3)?, words.nth(1)?);
        let port = u16::from_str_radix(port, 16).ok()?;
        listens.then(|| Self { address: address.to_owned(), port, uid: uid.to_owned(), inode: inode.to_owned() })
    }

    fn answers(&self, address: IpAddr, port: u16) -> bool {
        self.port == port && (self.address == listed(address) || self.address.bytes().all(|digit| digit == b'0'))
    }
}

/// An address as /proc/net/tcp writes it: words of 32 bits in the machine's own order.
fn listed(address: IpAddr) -> String {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).filter_map(|word| word.try_into().ok().map(u32::from_ne_bytes));
    words.map(|word| format!("{word:08X}")).collect()
}

/// The first process that has `link` among its open files, as far as we may look.
fn process_with(link: &str) -> Option<String> {
    let processes = fs::read_dir("/proc").ok()?.flatten().take(MOST_PROCESSES);
    let mut numbered = processes.filter_map(|process| Some((process.file_name().to_str()?.parse::<u32>().ok()?, process.path())));
    let (pid, path) = numbered.find(|(_, path)| has_open(path, link))?;
    let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
    Some(format!("pid {pid} ({})", printable(name.trim_end())))
}

fn has_open(process: &Path, link: &str) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_line_is_read_and_others_are_not() {
        let listening = "   0: 0100007F:2310 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0 100 0 0 10 0";
        let entry = Entry::read(listening).expect("a listening socket");

        assert_eq!((entry.port, entry.uid.as_str(), entry.inode.as_str()), (8976, "1000", "31337"));
        assert!(Entry::read(&listening.replace(" 0A ", " 01 ")).is_none());
        assert!(Entry::read("  sl  local_address rem_address   st tx_queue").is_none());
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn addresses_are_written_as_the_kernel_writes_them() {
        assert_eq!(listed("127.0.0.1".parse().expect("an address")), "0100007F");
        assert_eq!(listed("::1".parse().expect("an address")), "00000000000000000000000001000000");
    }
}
