//! The command line: what can be written, and the help.

use std::path::PathBuf;

use berth_cli::{Environment, ImageCommand};
use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Arg, ArgMatches, Args, Command as Clap, FromArgMatches, Parser, Subcommand};

use crate::commands;
use crate::commands::audit::AuditArgs;
use crate::commands::copy::PromoteArgs;
use crate::commands::grant::GrantCommand;
use crate::commands::mirror::MirrorCommand;
use crate::commands::prefetch::PrefetchArgs;
use crate::commands::repo::RepoCommand;
use crate::commands::retention::RetentionCommand;
use crate::commands::robot::RobotCommand;
use crate::commands::team::TeamCommand;
use crate::commands::token::TokenCommand;
use crate::commands::trash::{CleanArgs, TrashCommand};
use crate::commands::usage::{QuotaCommand, UsageArgs};
use crate::commands::user::UserCommand;
use crate::commands::why::WhyArgs;
use crate::commands::why_life::WhyImageArgs;
use crate::config::{SETTINGS, Setting, Sources};
use berth_cli::failure::Failure;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth serve                            serve this machine on 127.0.0.1:5000, data in ./berth-data
  berth serve --listen 127.0.0.1:5050    another port
  docker push localhost:5000/my-app      then push to it
  berth config show                      every option with its value, and where it comes from";

const SERVE_EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth serve
  berth serve --listen 127.0.0.1:5050 --data /srv/berth
  berth serve --listen 0.0.0.0:443 --tls-cert server.crt --tls-key server.key

All options: 'berth serve --help'. Each can also be set in berth.toml ('berth config default' prints
one) and in the environment (BERTH_LISTEN, …); flags win over both.";

const CONFIG_EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth config default > berth.toml      a file with every option of a server, to begin with
  berth config show                      what a server here would run with
  berth config localhost:5000/app:1.9    the configuration of an image at a registry";

const USER_EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth user add alice --admin           asks for the password
  pass show registry | berth user add bob --password-stdin
  berth user add carol --link            prints a link by which carol chooses her password
  berth user import-htpasswd old.htpasswd

These commands work on a running server and on a stopped one; --data says which folder.";

const TOKEN_EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth token add laptop --account alice --actions pull,push
  berth token add ci --account acme.ci --actions pull,push --repository 'acme/**' --expires 90d
  docker login localhost:5000            with the secret in place of a password";

const GRANT_EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth grant add bob acme/app pull,push
  berth grant add everyone 'shared/*' pull
  berth why bob push acme/app";

const MIRROR_EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth mirror add quay.io
  berth mirror add docker.io --user me --password-stdin <token.txt
  berth mirror add corp.example --url https://registry.corp.example --ca-file corp.pem --private
  berth mirror set docker.io --max-size 50GiB --max-age 30d
  berth mirror client-config containerd  what to write where, so that clients ask this server
  berth mirror rehearse quay.io          what would fail if it were away
  docker pull localhost:5000/quay.io/prometheus/busybox";

const PREFETCH_EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth prefetch alpine:3 quay.io/prometheus/prometheus
  berth prefetch --platform linux/amd64 --platform linux/arm64 ghcr.io/org/app:1
  berth prefetch --file compose.yml --file k8s.yaml";

const RETENTION_EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth retention add 'acme/*' --tags 'pr-*' --newest 10 --pulled 30d
  berth retention add acme/app --tags '{version}' --always
  berth retention preview acme/app       what would end now, and why
  berth why-deleted acme/app:pr-17       and afterwards";

/// A container registry in one program: docker push, docker pull, one folder.
#[derive(Parser)]
#[command(name = "berth", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 110)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the registry
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ConfigArgs),
    /// The configuration of a server: check it, show it, begin a file; or that of an image
    #[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(ConfigOf),
    /// Add, list, change and remove users
    #[command(subcommand, arg_required_else_help = true, after_help = USER_EXAMPLES)]
    User(UserCommand),
    /// Teams: people who own a namespace together
    #[command(subcommand, arg_required_else_help = true)]
    Team(TeamCommand),
    /// Robots: accounts for machines
    #[command(subcommand, arg_required_else_help = true)]
    Robot(RobotCommand),
    /// Access tokens: make, list, revoke
    #[command(subcommand, arg_required_else_help = true, after_help = TOKEN_EXAMPLES)]
    Token(TokenCommand),
    /// Grants: who may do what where
    #[command(subcommand, arg_required_else_help = true, after_help = GRANT_EXAMPLES)]
    Grant(GrantCommand),
    /// May somebody do something, and why
    Why(WhyArgs),
    /// Why an image is there, and how long
    WhyKept(WhyImageArgs),
    /// Why an image is not there any more
    WhyDeleted(WhyImageArgs),
    /// Which tags are kept, and which end by themselves
    #[command(subcommand, arg_required_else_help = true, after_help = RETENTION_EXAMPLES)]
    Retention(RetentionCommand),
    /// Promote an image to another repository: same tag, with signatures and SBOMs
    Promote(PromoteArgs),
    /// What was deleted and can be restored
    #[command(subcommand, arg_required_else_help = true)]
    Trash(TrashCommand),
    /// Free what is due now; the server does it by itself every minute
    Clean(CleanArgs),
    /// Who uses how many bytes: own ones and shared ones
    Usage(UsageArgs),
    /// How many bytes a namespace may use
    #[command(subcommand, arg_required_else_help = true)]
    Quota(QuotaCommand),
    /// Repositories: who may see them, tags and their history, copies, names, removal
    #[command(subcommand, arg_required_else_help = true)]
    Repo(RepoCommand),
    /// Registries whose images are kept here once somebody asked for them
    #[command(subcommand, arg_required_else_help = true, after_help = MIRROR_EXAMPLES)]
    Mirror(MirrorCommand),
    /// Fetch images of other registries before somebody needs them
    #[command(after_help = PREFETCH_EXAMPLES)]
    Prefetch(PrefetchArgs),
    /// Search the audit log
    Audit(AuditArgs),
    /// Put load on any registry and measure it
    Bench(Box<berth_bench::BenchArgs>),
    #[command(flatten)]
    Image(ImageCommand),
    /// Print completions for your shell
    Completions(commands::completions::CompletionsArgs),
    /// Print manual pages, or write them all into a folder
    #[command(after_help = commands::man::EXAMPLES)]
    Man(commands::man::ManArgs),
}

/// `berth config …`: with a subcommand about a server, with a name about an image.
#[derive(Args)]
pub(crate) struct ConfigOf {
    #[command(subcommand)]
    server: Option<ConfigCommand>,
    #[command(flatten)]
    image: berth_cli::commands::config::ConfigArgs,
}

/// `berth config …` of a server
#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a file, or everything that `berth serve` would read
    Check(CheckArgs),
    /// Print every option with its value, and where the value comes from
    Show(ConfigArgs),
    /// Print a configuration file with every option and its documentation
    Default,
    /// Print the reference of all options (Markdown)
    Reference,
}

impl ConfigCommand {
    /// What can stand behind `berth config`, beside an image.
    pub(crate) fn names() -> Vec<String> {
        let program = ConfigCommand::augment_subcommands(Clap::new("config"));
        program.get_subcommands().map(|command| command.get_name().to_owned()).collect()
    }
}

/// `berth config check`
#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The file to check; without it, what `berth serve` would read here
    pub(crate) file: Option<PathBuf>,
}

/// `--config` and one flag for each option.
#[derive(Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file (default: $BERTH_CONFIG, else ./berth.toml if it is there)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: OptionFlags,
}

/// Which data folder a command is about.
#[derive(Args)]
pub(crate) struct FolderArgs {
    /// The data folder of the registry, whether or not a server uses it [default: as for berth serve]
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    /// Configuration file (default: $BERTH_CONFIG, else ./berth.toml if it is there)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl FolderArgs {
    /// These flags over the environment and the file.
    pub(crate) fn sources(&self) -> Sources {
        let flags = self.data.iter().map(|folder| ("data", folder.clone())).collect();
        Sources::of_process(self.config.clone(), flags)
    }
}

/// How a command prints.
#[derive(Args)]
pub(crate) struct Shown {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which registry's list, and how it is printed.
#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// Reads a duration such as `90d` as whole seconds.
pub(crate) fn seconds(text: &str) -> Result<u32, String> {
    let mut duration = std::time::Duration::ZERO;
    crate::config::Value::read(&mut duration, text).map_err(|hint| {
        let expected = crate::config::Value::expected(&duration);
        hint.map_or_else(|| format!("expected {expected}"), |hint| format!("expected {expected}; {hint}"))
    })?;
    u32::try_from(duration.as_secs()).map_err(|_| "that is too long".to_owned())
}

impl ConfigArgs {
    /// These flags over the environment and the file.
    pub(crate) fn sources(&self) -> Sources {
        Sources::of_process(self.config.clone(), self.flags.0.clone())
    }
}

/// The flags that the table of options makes: the option's key, and the text that was given.
struct OptionFlags(Vec<(&'static str, String)>);

impl Args for OptionFlags {
    fn augment_args(command: Clap) -> Clap {
        command.args(SETTINGS.iter().map(flag))
    }

    fn augment_args_for_update(command: Clap) -> Clap {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OptionFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |setting: &Setting| Some((setting.key, matches.get_one::<String>(setting.key)?.clone()));
        Ok(OptionFlags(SETTINGS.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let summary = setting.summary.trim_end_matches('.');
    let default = if setting.default.is_empty() || setting.is_switch() {
        String::new()
    } else {
        format!(" [default: {}]", setting.default)
    };
    let long = format!("{} {}", setting.summary, setting.details);
    let heading = if setting.section().is_empty() { "Server".to_owned() } else { title(setting.section()) };
    let arg = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(setting.placeholder())
        .help(format!("{summary}{default}"))
        .long_help(format!("{}{default}", long.trim()))
        .hide_short_help(!setting.common)
        .help_heading(heading);
    if setting.is_switch() {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        arg
    }
}

/// `tls` → `TLS`, `limits` → `Limits`.
fn title(section: &str) -> String {
    if section == "tls" {
        return "TLS".to_owned();
    }
    let (first, rest) = section.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

impl Command {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Command::Serve(args) => commands::serve::run(&args),
            Command::Config(of) => match of.server {
                Some(ConfigCommand::Check(args)) => commands::config::check(&args),
                Some(ConfigCommand::Show(args)) => commands::config::show(&args),
                Some(ConfigCommand::Default) => commands::config::default(),
                Some(ConfigCommand::Reference) => commands::config::reference(),
                None => berth_cli::commands::config::run(&of.image, &Environment::of_process()),
            },
            Command::User(command) => commands::user::run(&command),
            Command::Team(command) => commands::team::run(&command),
            Command::Robot(command) => commands::robot::run(&command),
            Command::Token(command) => commands::token::run(&command),
            Command::Grant(command) => commands::grant::run(&command),
            Command::Why(args) => commands::why::run(&args),
            Command::WhyKept(args) => commands::why_life::kept(&args),
            Command::WhyDeleted(args) => commands::why_life::deleted(&args),
            Command::Retention(command) => commands::retention::run(&command),
            Command::Promote(args) => commands::copy::promote(&args),
            Command::Trash(command) => commands::trash::run(&command),
            Command::Clean(args) => commands::trash::clean(&args),
            Command::Usage(args) => commands::usage::run(&args),
            Command::Quota(command) => commands::usage::quota(&command),
            Command::Repo(command) => commands::repo::run(&command),
            Command::Mirror(command) => commands::mirror::run(&command),
            Command::Prefetch(args) => commands::prefetch::run(&args),
            Command::Audit(args) => commands::audit::run(&args),
            Command::Bench(args) => commands::bench::run(*args),
            Command::Image(command) => command.run(&Environment::of_process()),
            Command::Completions(args) => commands::completions::run(&args),
            Command::Man(args) => commands::man::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_is_a_flag() {
        let mut arguments = vec!["berth".to_owned(), "serve".to_owned()];
        arguments.extend(SETTINGS.iter().map(|setting| format!("--{}={}", setting.flag(), setting.example)));
        let Command::Serve(args) = Cli::parse_from(arguments).command else { panic!("serve was asked for") };
        let given: Vec<_> =
            SETTINGS.iter().map(|setting| (setting.key, setting.example.to_owned())).collect();
        assert_eq!(args.flags.0, given);
    }

    #[test]
    fn a_switch_needs_no_value() {
        let Command::Serve(args) = Cli::parse_from(["berth", "serve", "--open-to-network"]).command else {
            panic!("serve was asked for")
        };
        assert_eq!(args.flags.0, [("open_to_network", "true".to_owned())]);
    }
}
