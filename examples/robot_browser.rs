//! A browser without a person, for `$BROWSER`: it grants what a sandbox asks for and follows the redirects home.
//!
//! `robot_browser [--deny] [--company ID] [--no-follow] URL`. With `--no-follow` it prints the redirect URL instead of
//! going there, as a person does who pastes it. It goes nowhere but to the loopback interface.

use std::{env, io, process::ExitCode};
use tokenstrap::sandbox::Robot;

fn main() -> ExitCode {
    match run(env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> io::Result<()> {
    let (mut robot, mut follows, mut url) = (Robot::default(), true, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--deny" => robot = robot.denying(),
            "--company" => {
                let id = arguments.next().and_then(|id| id.parse().ok());
                robot = robot.picking(id.ok_or_else(|| io::Error::other("--company needs a number"))?);
            }
            "--no-follow" => follows = false,
            _ if url.is_none() => url = Some(argument),
            _ => return Err(io::Error::other("only one URL can be visited")),
        }
    }
    let url = url.ok_or_else(|| io::Error::other("there is no URL to visit"))?;
    if follows {
        robot.visit(&url).map(|_| ())
    } else {
        io::Write::write_all(&mut io::stdout(), format!("{}\n", robot.redirect_of(&url)?).as_bytes())
    }
}

fn complain(error: &io::Error) {
    // Where nobody reads the complaint, the exit code still says it.
    let _ = io::Write::write_all(&mut io::stderr(), format!("robot: {error}\n").as_bytes());
}
