//! Parses the files named on the command line and prints what is wrong with them.

fn main() {
    for path in std::env::args().skip(1) {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("{path}: {error}");
                continue;
            }
        };
        let source = String::from_utf8_lossy(&bytes);
        let parsed = bheka_syntax::parse(&source);
        let lines = bheka_syntax::LineIndex::new(&source);
        for diagnostic in &parsed.diagnostics {
            let (line, column) = lines.line_column(diagnostic.span.start);
            println!(
                "{path}:{line}:{column}: {:?}: {}",
                diagnostic.severity, diagnostic.message
            );
            print!("{}", bheka_syntax::excerpt(&source, diagnostic.span));
            for note in &diagnostic.notes {
                println!("  note: {note}");
            }
        }
    }
}
