//! The binary: one expression.

fn main() -> std::process::ExitCode {
    tokenstrap::cli::main()
}
