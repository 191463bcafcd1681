//! Help: the description of a verb as text, in two columns that fit a terminal.

use super::{Flag, Takes, Value, Verb, one_of};

/// Columns of the page.
const WIDTH: usize = 100;
/// Names that are longer have their help on the next line.
const NAME_MAX: usize = 26;

/// What a verb is for and what it takes. `path` is how it is called.
pub(super) fn of(verb: &Verb, path: &[&str]) -> String {
    let called = path.join(" ");
    let mut text = format!("{}\n\nUsage: {called} ", verb.about);
    match &verb.takes {
        Takes::Verbs(verbs) => {
            text += "<VERB>\n\nVerbs:\n";
            let names = verbs.iter().map(|verb| (verb.name.into(), verb.about.into()));
            columns(&mut text, &names.collect::<Vec<_>>());
            text += &format!("\n{called} help VERB or {called} VERB --help says what a verb takes.\n");
        }
        Takes::Arguments { operand, flags, .. } => {
            text += "[FLAGS]";
            if let Some(operand) = operand {
                text += &format!(" <{0}>\n\n", operand.name);
                columns(&mut text, &[(format!("<{}>", operand.name), operand.help.into())]);
            } else {
                text += "\n";
            }
            text += "\nFlags:\n";
            let flags = flags.iter().copied().flatten().map(|flag| (name(flag), help(flag)));
            let asked = [("-h, --help".into(), "Print this".into())];
            columns(&mut text, &flags.chain(asked).collect::<Vec<_>>());
        }
    }
    text
}

fn name(flag: &Flag) -> String {
    let value = flag.value_name().map_or(String::new(), |value| format!(" <{value}>"));
    format!("--{}{value}", flag.name)
}

fn help(flag: &Flag) -> String {
    let words = if let Value::OneOf(_, words) = flag.value { format!(": {}", one_of(words)) } else { String::new() };
    let default = flag.default().map_or(String::new(), |default| format!(" [default: {default}]"));
    format!("{}{words}{default}", flag.help)
}

/// Names and what they mean, which is broken between words.
fn columns(text: &mut String, rows: &[(String, String)]) {
    let width = rows.iter().map(|(name, _)| name.len()).filter(|len| *len <= NAME_MAX).max().unwrap_or(0);
    for (name, meaning) in rows {
        let mut line = format!("  {name:width$}  ");
        if name.len() > width {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(width + 4);
        }
        for word in meaning.split(' ') {
            if line.len() + word.len() > WIDTH {
                text.push_str(line.trim_end());
                text.push('\n');
                line = " ".repeat(width + 4);
            }
            line.push_str(word);
            line.push(' ');
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}
