//! Random schedules of tokens, refreshes, logins, logouts, kills, lost answers, locked stores and clocks that jump, against
//! a server in memory (RELIABILITY 2.5): after each step five promises are looked at.
//!
//! `TOKENSTRAP_MODEL_SCHEDULES` runs more of them, `TOKENSTRAP_MODEL_SEED` begins at another seed.

mod server;
mod world;

use crate::support::rig::{name, pins};
use std::{
    collections::BTreeMap,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokenstrap::{
    flow::{self, Budget, Confirm, FlowError, Handed, Need},
    oauth::{attempt::ExpectedIssuer, grant, redirect_uri::RedirectUri},
    ports::Clock,
    profile::{Record, Registration},
    secret::Secret,
};
use world::{Killed, Machine, Moment, stored};

/// Seeds that have found something once.
const HARD: [u64; 2] = [1224, 11_678];

/// Steps of one schedule.
const STEPS: u32 = 40;

/// A generator that a seed determines (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn log_in(machine: &Machine) -> Result<(), FlowError> {
    let registration = Registration { pins: pins(), client_secret: Some(Secret::new("client-secret")) };
    flow::begin(&machine.world(), &name(), &registration)?;
    let login = flow::Login {
        profile: name(),
        registration,
        kind: grant::by_name("authorization_code").unwrap(),
        redirect_uri: RedirectUri::parse("http://127.0.0.1:41000/cb").unwrap(),
        scopes: Vec::new(),
        scope_separator: " ".into(),
        params: BTreeMap::new(),
        expected_issuer: ExpectedIssuer::Unknown,
        pkce: true,
        patience: Duration::from_secs(60),
        confirm: &|_, _| Confirm::Replace,
        show: &|_| {},
    };
    flow::login(&machine.world(), &login).map(drop)
}

fn ask(machine: &Machine, force: bool) -> Result<Handed, FlowError> {
    let budget = Budget::starting(machine.instant(), None);
    let need = Need {
        min_ttl: Duration::from_secs(60),
        force,
        strict: false,
        explicit: force,
        accept_suspect: false,
        called_at: machine.now(),
        budget,
    };
    flow::access_token(&machine.world(), &name(), &need)
}

/// Another program on another machine, which no lock holds back.
fn interfere(machine: &Machine, moment: Moment) {
    let registration = Registration { pins: pins(), client_secret: None };
    match moment {
        Moment::Kill => {}
        // It may be refused where the store is locked; that is its own affair.
        Moment::LoginBegins => drop(flow::begin(&machine.world(), &name(), &registration)),
        Moment::LoginEnds => drop(log_in(machine)),
        Moment::Logout => drop(flow::logout(&machine.world(), &name(), false, false)),
        Moment::StoreRefusesWrites => machine.refuses.set((true, false)),
        Moment::StoreLocks => machine.refuses.set((true, true)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Token,
    Refresh,
    Login,
    Logout,
}

/// One step: something is done, and perhaps something comes in between.
#[derive(Debug)]
struct Step {
    act: Act,
    fuse: Option<(u32, Moment)>,
    lost: u32,
    locked: (bool, bool),
    jump: i64,
    life: u64,
}

fn step(dice: &mut Dice) -> Step {
    const MOMENTS: [Moment; 6] =
        [Moment::Kill, Moment::Kill, Moment::LoginBegins, Moment::LoginEnds, Moment::StoreRefusesWrites, Moment::StoreLocks];
    let act = [Act::Token, Act::Token, Act::Token, Act::Refresh, Act::Refresh, Act::Login, Act::Logout];
    let kinds = if dice.below(4) == 0 { 7 } else { 5 };
    let act = act[usize::try_from(dice.below(kinds)).unwrap()];
    let moment = if dice.below(12) == 0 { Moment::Logout } else { MOMENTS[usize::try_from(dice.below(6)).unwrap()] };
    Step {
        act,
        fuse: (dice.below(3) == 0).then(|| (u32::try_from(dice.below(24)).unwrap(), moment)),
        lost: if dice.below(5) == 0 { u32::try_from(1 + dice.below(2)).unwrap() } else { 0 },
        locked: [(false, false), (false, false), (false, false), (true, false), (true, true)][usize::try_from(dice.below(5)).unwrap()],
        jump: [1, 1, 40, 4000, -4000, 315_360_000, -315_360_000][usize::try_from(dice.below(7)).unwrap()],
        life: [1, 90, 3600][usize::try_from(dice.below(3)).unwrap()],
    }
}

/// What is remembered from step to step.
#[derive(Default)]
struct Memory {
    last: Option<(String, u64)>,
}

fn run(machine: &Machine, memory: &mut Memory, step: &Step) -> Result<(), String> {
    machine.fuse.set(step.fuse);
    machine.lost.set(step.lost);
    machine.refuses.set(step.locked);
    machine.server.borrow_mut().life = step.life;
    let jumped = Duration::from_secs(step.jump.unsigned_abs());
    machine.now.set(if step.jump < 0 { machine.now() - jumped } else { machine.now() + jumped });
    let before = stored(machine);
    let outcome = catch_unwind(AssertUnwindSafe(|| match step.act {
        Act::Token => ask(machine, false).map(Some),
        Act::Refresh => ask(machine, true).map(Some),
        Act::Login => log_in(machine).map(|()| None),
        Act::Logout => flow::logout(&machine.world(), &name(), false, false).map(|_| None),
    }));
    let logged_out_between =
        matches!(step.fuse, Some((_, Moment::Logout))) && machine.fuse.take().is_none() && step.locked == (false, false);
    machine.fuse.set(None);
    match outcome {
        Err(killed) if killed.is::<Killed>() => machine.buried(),
        Err(other) => std::panic::resume_unwind(other),
        Ok(Ok(handed)) => {
            machine.settled();
            if let Some(handed) = handed {
                belongs(machine, &handed)?;
            }
            if step.act == Act::Logout && stored(machine).is_some() {
                let again = matches!(step.fuse, Some((_, Moment::LoginBegins | Moment::LoginEnds)));
                again.then_some(()).ok_or("I4: a logout left a record")?;
            }
        }
        Ok(Err(_)) => machine.settled(),
    }
    if logged_out_between && matches!(step.act, Act::Token | Act::Refresh) && before.is_some() && stored(machine).is_some() {
        return Err("I4: a refresh brought back what a logout had removed".into());
    }
    promises(machine, memory)
}

/// I3: what is printed belongs to the grant that is kept, in the store or in the spool.
fn belongs(machine: &Machine, handed: &Handed) -> Result<(), String> {
    let printed = handed.tokens().ok_or("nothing was handed out")?.access_token.expose().to_owned();
    let kept = kept(machine);
    let is_kept = kept.iter().any(|record| record.current.as_ref().is_some_and(|current| current.tokens.access_token.matches(&printed)));
    // A login or a logout of somebody else may have ended it since.
    let overtaken = kept.iter().all(|record| record.id != handed.record.id || record.generation > handed.record.generation);
    if is_kept || overtaken || handed.unsaved { Ok(()) } else { Err(format!("I3: {printed} was printed and is kept nowhere")) }
}

/// The stored record, and the one in the spool that its key opens.
fn kept(machine: &Machine) -> Vec<Record> {
    let Some(stored) = stored(machine) else { return Vec::new() };
    let spooled = machine.spooled.borrow().as_ref().map(|text| Record::decode(&name(), text).unwrap());
    let spooled = spooled.filter(|spooled| spooled.spool_key.hash() == stored.spool_key.hash());
    [Some(stored), spooled].into_iter().flatten().collect()
}

fn promises(machine: &Machine, memory: &mut Memory) -> Result<(), String> {
    let server = machine.server.borrow();
    for (token, issued) in &server.tokens {
        if issued.acted_on > 1 + issued.excused {
            return Err(format!("I1: {token} was sent {} times, {} of them with an excuse", issued.acted_on, issued.excused));
        }
    }
    let now = stored(machine).map(|record| (record.id, record.generation));
    if let (Some((id, generation)), Some((old_id, old))) = (&now, &memory.last)
        && id == old_id
        && generation < old
    {
        return Err(format!("I2: generation {generation} came after {old}"));
    }
    memory.last = now;
    let kept = kept(machine);
    if !server.grace || kept.is_empty() {
        return Ok(());
    }
    if !server.dead.is_empty() || kept.iter().any(|record| record.mark.is_some()) {
        return Err("I5: a server with a window of grace refused a refresh token".into());
    }
    let held: Vec<String> = kept
        .iter()
        .filter_map(|record| record.current.as_ref()?.tokens.refresh_token.clone())
        .map(|token| token.expose().to_owned())
        .collect();
    let families = held.iter().filter_map(|token| server.tokens.get(token)).map(|issued| issued.family).max();
    let Some(family) = families else { return Ok(()) };
    let newest = server.newest(family);
    if held.iter().any(|token| token == newest || server.leads_to(token) == newest) {
        Ok(())
    } else {
        Err(format!("I5: {newest} is lost; kept are {held:?}"))
    }
}

#[test]
fn z_24_no_schedule_of_faults_breaks_a_promise() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (first, count) = (number("TOKENSTRAP_MODEL_SEED", 0), number("TOKENSTRAP_MODEL_SCHEDULES", 400));
    for seed in HARD.into_iter().chain(first..first + count) {
        let (mut dice, mut memory) = (Dice(seed), Memory::default());
        let machine = Machine::new(seed % 2 == 0, interfere);
        log_in(&machine).unwrap();
        let mut done = Vec::new();
        for _ in 0..STEPS {
            let next = step(&mut dice);
            done.push(format!("{next:?}"));
            if let Err(broken) = run(&machine, &mut memory, &next) {
                panic!("seed {seed}, step {}: {broken}\n{}", done.len(), done.join("\n"));
            }
        }
    }
    writeln!(std::io::stderr(), "{count} schedules of {STEPS} steps, from seed {first}").unwrap();
}
