//! Markdown of strangers as HTML that does nothing: a fixed set of elements without attributes, and links to the web.
//!
//! There is no sanitiser to get around, because nothing of the input is ever HTML: raw HTML is shown as the text that it
//! is, and pictures are links, so that reading a page tells nobody about it.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Blocks within blocks; what is deeper is shown without its frame.
const DEEPEST: usize = 24;

/// Renders Markdown.
pub(crate) fn render(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer::default();
    for event in Parser::new_ext(text, options) {
        writer.event(event);
    }
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
    /// For each element that is open how it ends; empty if it is shown without its frame.
    open: Vec<&'static str>,
    in_head: bool,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(end) => self.end(end),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => {
                escape(&text, &mut self.out);
            }
            Event::Code(text) => {
                self.out.push_str("<code>");
                escape(&text, &mut self.out);
                self.out.push_str("</code>");
            }
            Event::SoftBreak => self.out.push('\n'),
            Event::HardBreak => self.out.push_str("<br>"),
            Event::Rule => self.out.push_str("<hr>"),
            Event::TaskListMarker(done) => self.out.push_str(if done { "☑ " } else { "☐ " }),
            Event::FootnoteReference(name) => escape(&name, &mut self.out),
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let (begin, end) = match tag {
            Tag::Paragraph => ("<p>", "</p>"),
            Tag::Heading { level, .. } => heading(*level),
            Tag::BlockQuote(_) => ("<blockquote>", "</blockquote>"),
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => {
                ("<pre><code>", "</code></pre>")
            }
            Tag::List(None) => ("<ul>", "</ul>"),
            Tag::List(Some(_)) => ("<ol>", "</ol>"),
            Tag::Item => ("<li>", "</li>"),
            Tag::Emphasis => ("<em>", "</em>"),
            Tag::Strong => ("<strong>", "</strong>"),
            Tag::Strikethrough => ("<s>", "</s>"),
            Tag::Table(_) => ("<div class=\"scroll\"><table>", "</tbody></table></div>"),
            Tag::TableHead => ("<thead><tr>", "</tr></thead><tbody>"),
            Tag::TableRow => ("<tr>", "</tr>"),
            Tag::TableCell if self.in_head => ("<th>", "</th>"),
            Tag::TableCell => ("<td>", "</td>"),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => return self.link(dest_url),
            Tag::HtmlBlock => ("<pre>", "</pre>"),
            _ => ("", ""),
        };
        self.in_head |= matches!(tag, Tag::TableHead);
        let is_shown = self.open.len() < DEEPEST;
        self.out.push_str(if is_shown { begin } else { "" });
        self.open.push(if is_shown { end } else { "" });
    }

    fn link(&mut self, target: &str) {
        if self.open.len() < DEEPEST && is_web(target) {
            self.out.push_str("<a rel=\"nofollow noopener noreferrer\" href=\"");
            escape(target, &mut self.out);
            self.out.push_str("\">");
            self.open.push("</a>");
        } else {
            self.open.push("");
        }
    }

    fn end(&mut self, end: TagEnd) {
        if end == TagEnd::TableHead {
            self.in_head = false;
        }
        self.out.push_str(self.open.pop().unwrap_or_default());
    }
}

/// A README is a part of a page whose own headings come first.
fn heading(level: HeadingLevel) -> (&'static str, &'static str) {
    match level {
        HeadingLevel::H1 => ("<h3>", "</h3>"),
        HeadingLevel::H2 => ("<h4>", "</h4>"),
        HeadingLevel::H3 => ("<h5>", "</h5>"),
        _ => ("<h6>", "</h6>"),
    }
}

/// Whether an address is one of the web or of mail, written out in full.
fn is_web(target: &str) -> bool {
    ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::render;

    #[test]
    fn a_readme_is_a_readme() {
        let html = render(
            "# Title\n\nSome *nice* **words** and `code`.\n\n- one\n- [x] two\n\n```sh\nrun <it>\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        );
        for part in [
            "<h3>Title</h3>",
            "<em>nice</em> <strong>words</strong> and <code>code</code>",
            "<li>one</li>",
            "☑ two",
            "<pre><code>run &lt;it&gt;\n</code></pre>",
            "<thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[test]
    fn links_go_to_the_web_and_nowhere_else() {
        assert!(
            render("[a](https://example.com/?a=b&c)").contains("href=\"https://example.com/?a=b&amp;c\"")
        );
        assert!(render("![logo](https://example.com/x.png)").contains("<a rel="), "a picture is a link");
        for target in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "/settings",
            "vbscript:x",
            "//x",
            "\u{1}javascript:x",
        ] {
            let html = render(&format!("[a]({target}) <{target}>"));
            assert!(!html.contains("href"), "{target}: {html}");
        }
    }

    #[test]
    fn html_is_text() {
        let html = render("<script>alert(1)</script>\n\nx <img src=x onerror=alert(1)> <b onclick=x>y</b>");
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b "), "{html}");
        assert!(html.contains("&lt;script&gt;"));
    }

    #[test]
    fn depth_is_bounded() {
        let html = render(&"> ".repeat(5000));
        assert!(html.matches("<blockquote>").count() <= super::DEEPEST);
        let html = render(&format!("{}x", "[".repeat(5000)));
        assert!(html.len() < 20_000);
    }

    proptest! {
        /// Whatever is written, the only elements are ours, they are closed, and no attribute is but that of links.
        #[test]
        fn nothing_but_our_elements_comes_out(text in "[\\[\\]()<>!*_`#|~ \n\\-=\"'a-z:/&;]{0,200}") {
            let html = render(&text);
            let mut open = Vec::new();
            for piece in html.split('<').skip(1) {
                let (element, _) = piece.split_once('>').expect("elements are closed");
                let name = element.split(' ').next().unwrap_or_default();
                let known = ["p", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "ul", "ol", "li", "em", "strong", "s", "div", "table", "thead", "tbody", "tr", "th", "td", "a", "br", "hr"];
                prop_assert!(known.contains(&name.trim_start_matches('/')), "{element}");
                let attributes = element.strip_prefix(name).unwrap_or_default();
                let is_link = attributes.starts_with(" rel=\"nofollow noopener noreferrer\" href=\"");
                prop_assert!(attributes.is_empty() || is_link || attributes == " class=\"scroll\"", "{element}");
                match name.strip_prefix('/') {
                    Some(name) => prop_assert_eq!(open.pop(), Some(name)),
                    None if matches!(name, "br" | "hr") => {}
                    None => open.push(name),
                }
            }
            prop_assert!(open.is_empty(), "{open:?} in {html}");
        }
    }
}
