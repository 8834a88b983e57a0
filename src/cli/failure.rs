//! What a command ends as: exit codes, and errors as fact, causes and a hint.

use super::terminal;
use crate::{
    config::ConfigError,
    flow::{AnswerKind, FlowError},
    oauth::{
        answer::{Class, Verdict},
        grant::ProtocolError,
        message::Undelivered,
    },
    ports::{LockError, StoreError, Unanswered},
    profile::{BadName, PlanError},
    redirect::BindError,
    text::printable,
};
use serde_json::json;

/// The verdict; a promise to scripts (README, exit codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Done,
    Bug,
    Usage,
    LoginNeeded,
    Later,
    Machine,
    Refused,
    Unsaved,
    /// A command was to be started, and there is no token for it.
    NotStarted,
    /// The command is there and cannot be started.
    NotExecutable,
    /// There is no such command.
    NotFound,
    /// What the command that was started ended with.
    Child(u8),
}

impl Exit {
    /// What the process exits with.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Bug => 1,
            Self::Usage => 2,
            Self::LoginNeeded => 3,
            Self::Later => 4,
            Self::Machine => 5,
            Self::Refused => 6,
            Self::Unsaved => 7,
            Self::NotStarted => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Child(code) => code,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Bug => "bug",
            Self::Usage => "usage",
            Self::LoginNeeded => "login_needed",
            Self::Later => "later",
            Self::Machine => "machine",
            Self::Refused => "refused",
            Self::Unsaved => "unsaved",
            Self::NotStarted => "not_started",
            Self::NotExecutable => "not_executable",
            Self::NotFound => "not_found",
            Self::Child(_) => "child",
        }
    }
}

/// Why a command did not do what it was asked to. Texts are lower case, printable and hold no secret.
#[derive(Debug)]
pub(super) struct Failure {
    pub exit: Exit,
    pub fact: String,
    pub causes: Vec<String>,
    pub hint: Option<String>,
    pub retry_after: Option<u64>,
}

impl Failure {
    pub fn new(exit: Exit, fact: impl Into<String>) -> Self {
        Self { exit, fact: fact.into(), causes: Vec::new(), hint: None, retry_after: None }
    }

    pub fn usage(fact: impl Into<String>) -> Self {
        Self::new(Exit::Usage, fact)
    }

    pub fn because(mut self, cause: impl ToString) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert(hint.into());
        self
    }

    /// Puts another fact in front; what it was before becomes the first cause.
    pub fn while_doing(mut self, fact: impl Into<String>) -> Self {
        let before = std::mem::replace(&mut self.fact, fact.into());
        self.causes.insert(0, before);
        self
    }

    /// clap's message without the values that were typed: one of them may be a secret (SECURITY X-01).
    pub fn of_clap(error: &clap::Error) -> Self {
        use clap::error::{ContextKind, ContextValue, ErrorKind};
        let text = |kind| match error.get(kind) {
            // Of a flag that is known, clap gives our own words; of any other, what was typed.
            Some(ContextValue::String(text)) if error.kind() == ErrorKind::ValueValidation => Some(printable(text)),
            Some(ContextValue::String(text)) => Some(printable(text.split('=').next().unwrap_or_default())),
            Some(ContextValue::Strings(texts)) => Some(printable(&texts.join(", "))),
            _ => None,
        };
        let argument = text(ContextKind::InvalidArg);
        let fact = match error.kind() {
            ErrorKind::InvalidSubcommand => match text(ContextKind::InvalidSubcommand) {
                Some(name) => format!("there is no command `{name}`"),
                None => "there is no such command".into(),
            },
            ErrorKind::UnknownArgument => match argument.as_deref().filter(|argument| argument.starts_with('-')) {
                Some(flag) => format!("there is no flag `{flag}` here"),
                None => "there is one argument too many".into(),
            },
            ErrorKind::MissingRequiredArgument => format!("{} is missing", argument.unwrap_or_else(|| "an argument".into())),
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                let reason =
                    std::error::Error::source(error).map(|source| format!(": {}", printable(&source.to_string()))).unwrap_or_default();
                format!("the value of {} is not one that it takes{reason}", argument.unwrap_or_else(|| "an argument".into()))
            }
            ErrorKind::ArgumentConflict => format!("{} does not go with the other flags", argument.unwrap_or_else(|| "one flag".into())),
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command was given".into(),
            kind => kind.as_str().unwrap_or("the command line cannot be read").to_owned(),
        };
        let mut failure = Self::usage(fact);
        if let Some(values) = error.get(ContextKind::ValidValue).and_then(|values| match values {
            ContextValue::Strings(values) if !values.is_empty() => Some(values.join(", ")),
            _ => None,
        }) {
            failure = failure.because(format!("it takes one of: {values}"));
        }
        match text(ContextKind::SuggestedArg).or_else(|| text(ContextKind::SuggestedSubcommand)) {
            Some(near) => failure.hint(format!("perhaps you mean `{near}`")),
            None => failure.hint("`tokenstrap --help` shows the commands, `tokenstrap COMMAND --help` their flags"),
        }
    }

    /// Tells the user, and gives the exit code.
    pub fn tell(self, json: bool) -> Exit {
        if json {
            let mut document = json!({"error": {
                "code": self.exit.code(), "kind": self.exit.name(), "message": self.fact, "causes": self.causes, "hint": self.hint,
            }});
            if let (Some(seconds), Some(error)) = (self.retry_after, document.get_mut("error")) {
                error["retry_after"] = json!(seconds);
            }
            let _ = terminal::document(&document);
        }
        let mut text = format!("error: {}", self.fact);
        for cause in &self.causes {
            text.push_str("\n  because ");
            text.push_str(cause);
        }
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        terminal::line(&text);
        self.exit
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let exit = match &error {
            ConfigError::Form { .. } | ConfigError::Secret { .. } | ConfigError::Clash { .. } | ConfigError::Missing(_) => Exit::Usage,
            ConfigError::Unsafe { .. } => Exit::Refused,
            ConfigError::Io { .. } => Exit::Machine,
        };
        let failure = Self::new(exit, error.to_string());
        match error {
            ConfigError::Secret { .. } => {
                failure.hint("take the key out; `tokenstrap login PROFILE` asks for the secret and keeps it in the store")
            }
            _ => failure,
        }
    }
}

impl From<BadName> for Failure {
    fn from(error: BadName) -> Self {
        Self::usage(error.to_string())
            .hint("a name has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let refused = matches!(error, PlanError::Address { .. } | PlanError::NoMethod);
        let failure = Self::new(if refused { Exit::Refused } else { Exit::Usage }, error.to_string());
        match error {
            PlanError::NoServer => failure.hint(
                "name it with --provider, --issuer, or --auth-url together with --token-url; `tokenstrap providers` lists the known ones",
            ),
            PlanError::NoClientId => failure.hint("pass it with --client-id"),
            _ => failure,
        }
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        let exit = if matches!(error, BindError::NotLoopback) { Exit::Usage } else { Exit::Machine };
        let failure = Self::new(exit, "the redirect cannot be listened for").because(printable(&error.to_string()));
        match error {
            BindError::Taken { .. } => failure.hint("end that program, or add --paste and bring the redirect by hand"),
            BindError::NotLoopback => failure.hint("add --paste, --link, or --listen 127.0.0.1:PORT behind a tunnel of your own"),
            _ => failure.hint("add --paste and bring the redirect by hand"),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = if matches!(error, StoreError::Unsafe(_)) { Exit::Refused } else { Exit::Machine };
        let failure = Self::new(
            exit,
            format!(
                "the store {}",
                match &error {
                    StoreError::Missing(_) => "is not here",
                    StoreError::Locked(_) => "is locked",
                    StoreError::Unavailable(_) => "did not answer",
                    StoreError::Denied(_) => "refused",
                    StoreError::TooBig { .. } => "is too small for this grant",
                    StoreError::Corrupt { .. } => "holds a record that cannot be read; it is kept as it is",
                    StoreError::Conflict => "was changed by somebody else at the same time",
                    StoreError::Unsafe(_) => "is not safe to use",
                    StoreError::Forgetful(_) => "did not keep what it was given",
                    StoreError::NoKey(_) => "stays closed",
                    StoreError::ReadOnly(_) => "cannot be written",
                    StoreError::Unset(_) => "is not set up",
                }
            ),
        )
        .because(printable(&error.to_string()));
        match error {
            StoreError::Missing(_) | StoreError::Unavailable(_) => {
                failure.hint("where there is no keychain, `tokenstrap store init file` makes an encrypted file store for `--store file`")
            }
            StoreError::Locked(_) => failure.hint("unlock it and try again, or use `--store file`"),
            StoreError::NoKey(_) => failure
                .hint("TOKENSTRAP_KEY or --key-file names the right key; where there is none yet, `tokenstrap store init file` makes one"),
            StoreError::Corrupt { profile, .. } => {
                failure.hint(format!("log in again with `tokenstrap login {profile}` after `tokenstrap logout {profile} --force`"))
            }
            StoreError::Conflict => failure.hint("try again"),
            StoreError::ReadOnly(_) => failure.hint("`tokenstrap import NAME --store file` puts a bundle where it can be kept up to date"),
            StoreError::Unset(_) => failure.hint("`tokenstrap doctor` shows which stores work here"),
            _ => failure,
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let exit = match &error {
            LockError::Store(refusal) => return refusal.clone().into(),
            LockError::Busy(_) | LockError::Leased(_) => Exit::Later,
            LockError::Unsafe(_) => Exit::Refused,
            LockError::Unavailable(_) => Exit::Machine,
        };
        Self::new(exit, printable(&error.to_string()))
    }
}

impl From<Undelivered> for Failure {
    fn from(error: Undelivered) -> Self {
        let exit = match &error {
            Undelivered::CertificateRefused { .. } | Undelivered::Barred { .. } => Exit::Refused,
            Undelivered::NoRoots { .. } => Exit::Machine,
            _ => Exit::Later,
        };
        Self::new(exit, "the server could not be asked").because(error)
    }
}

fn of_verdict(verdict: &Verdict) -> Failure {
    let exit = match verdict.class {
        Class::Granted => Exit::Bug,
        Class::LoginNeeded => Exit::LoginNeeded,
        Class::Later => Exit::Later,
        Class::Refused => Exit::Refused,
    };
    let mut failure = Failure::new(exit, "the authorization server gave no token").because(&verdict.reason);
    failure.retry_after = verdict.retry_after.map(|wait| wait.as_secs());
    match (verdict.class, verdict.retry_after) {
        (Class::Later, Some(wait)) => failure.hint(format!("try again in {} s", wait.as_secs())),
        (Class::Later, None) => failure.hint("try again later"),
        _ => failure,
    }
}

fn of_protocol(error: &ProtocolError) -> Failure {
    let (exit, hint) = match error {
        ProtocolError::Answer(verdict) => return of_verdict(verdict),
        ProtocolError::Denied { error, .. } => match error.as_str() {
            "access_denied" => (Exit::LoginNeeded, Some("consent was refused; run the login again to ask once more")),
            "server_error" | "temporarily_unavailable" => (Exit::Later, Some("try again later")),
            _ => (Exit::Refused, None),
        },
        ProtocolError::WrongIssuer { .. } => (Exit::Refused, Some("somebody may be mixing two servers up; nothing was sent to either")),
        ProtocolError::ParameterTaken(_) => (Exit::Refused, None),
        ProtocolError::Unsupported(_) => (Exit::Refused, None),
        ProtocolError::CodeExpired => (Exit::Later, Some("run the login again")),
        ProtocolError::OutOfStep => (Exit::Bug, None),
    };
    let failure = Failure::new(exit, printable(&error.to_string()));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

impl From<FlowError> for Failure {
    fn from(error: FlowError) -> Self {
        let fact = printable(&error.to_string());
        match error {
            FlowError::Protocol(error) => of_protocol(&error),
            FlowError::Undelivered(error) => error.into(),
            FlowError::Store(error) => error.into(),
            FlowError::Lock(error) => error.into(),
            FlowError::Unanswered(error) => match error {
                Unanswered::TimedOut => Self::new(Exit::Later, fact),
                Unanswered::Interrupted(_) => Self::new(Exit::Later, fact),
                Unanswered::BadPaste(_) => Self::new(Exit::Refused, fact),
                Unanswered::Unreachable(_) => Self::new(Exit::Machine, fact),
            },
            FlowError::NoEntropy(_) => Self::new(Exit::Machine, fact),
            FlowError::NoGrant(profile) => Self::new(Exit::LoginNeeded, fact).hint(format!("run `tokenstrap login {profile}`")),
            FlowError::NoRefreshToken(profile) => Self::new(Exit::LoginNeeded, fact).hint(format!("run `tokenstrap login {profile}`")),
            FlowError::Marked { profile, .. } => Self::new(Exit::LoginNeeded, fact)
                .hint(format!("run `tokenstrap login {profile}`; `tokenstrap refresh {profile}` asks the server once more")),
            FlowError::SuspectWaits { profile, .. } => Self::new(Exit::Refused, fact).hint(format!(
                "`tokenstrap refresh {profile} --accept-suspect` uses it all the same, `tokenstrap login {profile}` replaces it"
            )),
            FlowError::NoTime => Self::new(Exit::Later, fact).hint("leave --timeout out, or give it more"),
            FlowError::TooShort => Self::usage(fact).hint("ask for a smaller --min-ttl, or leave --strict-ttl out"),
            FlowError::PinsDiffer { profile, .. } => {
                Self::new(Exit::Refused, fact).hint(format!("log in again: `tokenstrap login {profile}`"))
            }
            FlowError::OtherAccount { profile, .. } => Self::new(Exit::Refused, fact).hint(format!(
                "the new tokens are kept aside: `tokenstrap login {profile} --replace` puts them in place, another profile name keeps both"
            )),
            FlowError::IdToken(_) => Self::new(Exit::Refused, fact).hint("the tokens were not kept"),
            FlowError::Taken(_) => Self::new(Exit::Refused, fact).hint("another name keeps both; --replace puts the new one in its place"),
            FlowError::NothingPending(profile) => Self::usage(fact).hint(format!("begin one with `tokenstrap login {profile} --link`")),
            FlowError::NoEndpoint(_) => Self::usage(fact),
            FlowError::NotRevoked(_) => Self::new(Exit::Refused, fact).hint("the grant is still stored; --force forgets it all the same"),
            FlowError::Answered(_, kind) => match kind {
                AnswerKind::Dead => Self::new(Exit::LoginNeeded, fact),
                AnswerKind::Later => Self::new(Exit::Later, fact).hint("try again later"),
                AnswerKind::Refused => Self::new(Exit::Refused, fact),
            },
        }
    }
}

impl From<crate::ports::NoEntropy> for Failure {
    fn from(error: crate::ports::NoEntropy) -> Self {
        Self::new(Exit::Machine, error.to_string())
    }
}
