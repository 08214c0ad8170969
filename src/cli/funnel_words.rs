//! The words of `funnel`: its options, what they ask, and the note that goes with its result.

use super::args::value;
use crate::engine::{free, funnel, polars as engine};
use crate::error::Error;
use crate::report::{self, Entity, Entry, Funnel, Report, Step, with_comments_removed};
use crate::sink::grouped;
use clap::{Arg, ArgAction, ArgMatches, Command};
use polars::prelude::{ChunkAgg, DataFrame};

/// What stands behind the input in the example of the help.
pub const EXAMPLE: &str =
    " --window 1d --step \"view: event_type = 'view'\" --step \"cart: event_type = 'cart_add'\"";

/// Each of them makes the query longer, which is worked through by recursion.
const MOST_CONDITIONS: usize = 100;

/// What the options have in common, for the help.
const MEANING: &str = "\
Each visitor gets as far as its longest chain: one event a step, each behind the one before, all within the window from \
the first, the entry. At the same moment the event of the earlier step comes first; one that is only excluded comes last.

With --lost-after the columns are page, visitors and share (of those lost there); with --breakdown a column 'breakdown' \
comes before the others.";

/// Adds the options to the command.
pub fn add(command: Command) -> Command {
    let columns = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let step = |step: Step| format!("\n  {}: {}", step.name, step.condition);
    let steps: String = Funnel::default().steps.into_iter().map(step).collect();
    command.after_help(format!("{MEANING}\n\nWithout --step:{steps}\n\n{columns}")).args([
        option(
            "step",
            "NAME: CONDITION",
            "A step, as a name and an SQL condition; repeat it for each step. Without: product view, cart addition, \
             checkout page, purchase",
        )
        .action(ArgAction::Append),
        option("window", "TIME", "The longest time from the entry to a step, such as 30m, 12h, 7d")
            .default_value("7d"),
        option("by", "WHO", "Whose events belong together")
            .value_parser(["visitor", "user", "session"])
            .default_value("visitor"),
        option(
            "entry",
            "WHICH",
            "What begins a chain: any match of the first step (of several, the latest counts), or only the visitor's first",
        )
        .value_parser(["any", "first"])
        .default_value("any"),
        option(
            "strict-order",
            "",
            "Let nothing but the next step come between two steps: an event that matches only others ends the chain; one \
             that matches none does not. Steps may repeat (with --entry first not the first one), but not be skipped or gone back to",
        )
        .action(ArgAction::SetTrue),
        option(
            "exclude",
            "CONDITION",
            "An SQL condition: an event that meets it ends every chain, though it may be that chain's last step, or the \
             entry of a new one; may be repeated",
        )
        .action(ArgAction::Append),
        option(
            "breakdown",
            "COLUMN",
            "Rows for each value of this column of events, the one with most entrants first. A visitor counts with its \
             value at the entry of the chain that was first to get as far as it got",
        ),
        option(
            "lost-after",
            "STEP",
            "Instead of the steps: the pages to which those went who got to this step (its name, the beginning of its \
             name, or its number) and not to the next: what they viewed first after they were there last, within the \
             window from the entry; (left) if nothing",
        ),
    ])
}

/// The funnel that is asked for, and the report that it is, with the columns that it has.
///
/// # Errors
/// `Error::Usage` or `Error::Query` that names the option that makes no sense.
pub fn asked(mut report: Report, matches: &ArgMatches) -> Result<(Report, Funnel), Error> {
    let mut funnel = Funnel::default();
    if let Some(steps) = values(matches, "step") {
        funnel.steps = steps.map(|step| Step::parse(step)).collect::<Result<_, _>>()?;
    }
    if let Some(window) = value(matches, "window") {
        funnel.window = report::duration(window)?;
    }
    funnel.entity = match value(matches, "by").map(String::as_str) {
        Some("user") => Entity::User,
        Some("session") => Entity::Session,
        _ => Entity::Visitor,
    };
    if value(matches, "entry").is_some_and(|entry| entry == "first") {
        funnel.entry = Entry::First;
    }
    funnel.strict_order = matches.try_get_one("strict-order").ok().flatten().copied().unwrap_or(false);
    let excluded = values(matches, "exclude").into_iter().flatten();
    funnel.exclude = excluded.map(|condition| with_comments_removed(condition).trim().to_owned()).collect();
    if let Some(column) = value(matches, "breakdown") {
        funnel.break_down_by(column)?;
    }
    if let Some(step) = value(matches, "lost-after") {
        funnel.lose_after(step)?;
        report = report::find("funnel-lost-after")?;
    }
    let count = funnel.conditions().count();
    if count > MOST_CONDITIONS {
        return Err(Error::Usage(format!(
            "{count} of --step and --exclude are too many: {MOST_CONDITIONS} at most, and OR makes one of several"
        )));
    }
    let prepare = |(option, condition): (String, &str)| {
        free::prepared_condition(condition).map_err(|error| Error::Query(format!("{option}: {error}")))
    };
    let prepared = funnel.conditions().map(prepare).collect::<Result<Vec<_>, _>>()?;
    let conditions = funnel.steps.iter_mut().map(|step| &mut step.condition);
    conditions
        .chain(&mut funnel.exclude)
        .zip(prepared)
        .for_each(|(condition, prepared)| *condition = prepared);
    if values(matches, "step").is_some() || !funnel.exclude.is_empty() {
        funnel::check(&funnel, &engine::no_events())?;
    }
    if let Some(column) = funnel.breakdown_column() {
        let what = if funnel.lost_after.is_some() { "page" } else { "name" };
        report.header.chart = Some(format!("heatmap breakdown {what} visitors"));
        report.header.key.insert(0, column.name.clone());
        report.header.columns.insert(0, column);
    }
    Ok((report, funnel))
}

fn values<'a>(matches: &'a ArgMatches, option: &str) -> Option<impl Iterator<Item = &'a String>> {
    matches.try_get_many(option).ok().flatten()
}

/// What is said of entrants whose window was still open.
pub fn immature(result: &DataFrame) -> Option<String> {
    let count = result.column("immature").ok()?.i64().ok()?.sum().filter(|&count| count > 0)?;
    let count = grouped(&count.to_string());
    Some(match result.column("step") {
        Ok(_) => format!(
            "immature: {count} of those who entered had time left when the events ended; some may go on"
        ),
        Err(_) => format!(
            "immature: {count} of those who stopped there had time left when the events ended; some may go on"
        ),
    })
}
