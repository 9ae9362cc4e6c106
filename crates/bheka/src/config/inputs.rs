//! What a load has read, so that it can be done again later exactly as it was.
//!
//! `object list` shows what the last load or validation made, with the line that set each
//! attribute. Icinga 2 writes all of that at each load: with 140,000 services a file of 370 MB,
//! most often for nobody. A load is decided by its inputs, and those are small; so they are kept,
//! and the file of objects is made of them when somebody asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};
use bheka_lang::{DirEntry, Load, Memory, SourceError, Sources, ZoneDir};
use bheka_value::{Str, Timestamp, Value, to_json};

use super::places::Package;
use super::{caches, complete};
use crate::cli::dump;
use crate::paths::Paths;

/// Everything that decides what a load makes.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) include_dirs: Vec<String>,
    pub(super) files: Vec<String>,
    pub(super) constants: Vec<(String, Value)>,
    pub(super) zone_dirs: Vec<ZoneDir>,
    pub(super) packages: Vec<Package>,
    pub(super) now: Timestamp,
}

impl Inputs {
    /// Evaluates the configuration on so many threads.
    pub(super) fn evaluate(
        &self,
        sources: &dyn Sources,
        tracked: bool,
        threads: usize,
    ) -> bheka_lang::Loaded {
        let mut loaded = bheka_lang::load(Load {
            catalogue: bheka_model::catalogue(),
            sources,
            include_dirs: self.include_dirs.clone(),
            files: self.files.clone(),
            constants: self.constants.clone(),
            zone_dirs: self.zone_dirs.clone(),
            now: self.now,
            track_modifications: tracked,
            threads,
        });
        if !self.packages.is_empty() {
            for declaration in &mut loaded.declarations {
                let path = &declaration.location.path;
                if let Some(package) = self.packages.iter().find(|it| it.holds(path)) {
                    declaration.package = package.name.as_str().into();
                }
            }
        }
        loaded
    }

    fn to_value(&self) -> Value {
        let texts = |texts: &[String]| Value::array(texts.iter().map(|it| it.as_str().into()));
        let constants = self.constants.iter();
        let constants =
            constants.map(|(name, value)| Value::array([name.as_str().into(), value.clone()]));
        let dirs = self.zone_dirs.iter().map(|dir| {
            Value::array([&dir.zone, &dir.package, &dir.path].map(|it| it.as_str().into()))
        });
        let packages = self.packages.iter().map(|package| {
            let (file, dir) = package.paths();
            Value::array([package.name.clone(), file, dir].map(Value::from))
        });
        Value::dictionary([
            ("include_dirs", texts(&self.include_dirs)),
            ("files", texts(&self.files)),
            ("constants", Value::array(constants)),
            ("zone_dirs", Value::array(dirs)),
            ("packages", Value::array(packages)),
            ("now", Value::Number(self.now.seconds())),
        ])
    }

    fn from_value(value: &Value) -> Option<Self> {
        let entries = value.as_dictionary()?;
        let list = |key: &str| entries.get(key)?.as_array().map(|items| items.items());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = |values: Vec<Value>| values.iter().map(text).collect::<Option<Vec<_>>>();
        let triple = |value: &Value| -> Option<[String; 3]> {
            texts(value.as_array()?.items())?.try_into().ok()
        };
        let constants = list("constants")?.into_iter().map(|pair| {
            let pair = pair.as_array()?.items();
            Some((text(pair.first()?)?, pair.get(1)?.clone()))
        });
        let dirs = list("zone_dirs")?.into_iter().map(|dir| {
            let [zone, package, path] = triple(&dir)?;
            Some(ZoneDir {
                zone,
                package,
                path,
            })
        });
        let packages = list("packages")?.into_iter().map(|package| {
            let [name, file, dir] = triple(&package)?;
            Some(Package::new(name, PathBuf::from(file), PathBuf::from(dir)))
        });
        Some(Self {
            include_dirs: texts(list("include_dirs")?)?,
            files: texts(list("files")?)?,
            constants: constants.collect::<Option<_>>()?,
            zone_dirs: dirs.collect::<Option<_>>()?,
            packages: packages.collect::<Option<_>>()?,
            now: Timestamp(entries.get("now")?.as_number()?),
        })
    }
}

/// What sources have answered.
#[derive(Debug, Default)]
struct Answers {
    files: BTreeMap<String, Result<Vec<u8>, SourceError>>,
    lists: BTreeMap<String, Result<Vec<DirEntry>, SourceError>>,
    is_file: BTreeMap<String, bool>,
    env: BTreeMap<String, Option<String>>,
}

/// Sources that remember what they answered.
pub(super) struct Recorder<'s> {
    sources: &'s dyn Sources,
    answers: Mutex<Answers>,
}

impl<'s> Recorder<'s> {
    pub(super) fn new(sources: &'s dyn Sources) -> Self {
        Self {
            sources,
            answers: Mutex::default(),
        }
    }

    /// What was answered before, else what the sources say now.
    fn ask<T: Clone>(
        &self,
        place: impl Fn(&mut Answers) -> &mut BTreeMap<String, T>,
        key: &str,
        sources: impl FnOnce() -> T,
    ) -> T {
        let answers = || self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = place(&mut answers()).get(key) {
            return known.clone();
        }
        let answer = sources();
        place(&mut answers()).insert(key.to_owned(), answer.clone());
        answer
    }

    /// Writes down the inputs and what was read.
    pub(super) fn write(&self, path: &Path, inputs: &Inputs) -> anyhow::Result<()> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        caches::write(path, |out| {
            let mut put = |kind: &str, name: &str, value: Value| {
                let record = Value::array([kind.into(), name.into(), value]);
                let record = to_json(&record);
                write!(out, "{}:{record},", record.len())
            };
            put("inputs", "", inputs.to_value())?;
            for (path, answer) in &answers.files {
                let value = match answer {
                    Ok(bytes) => Value::String(Str::from_bytes(bytes)),
                    Err(error) => error_value(error),
                };
                put("file", path, value)?;
            }
            for (path, answer) in &answers.lists {
                let value = match answer {
                    Ok(entries) => Value::array(entries.iter().map(|entry| {
                        Value::array([entry.name.as_str().into(), entry.is_dir.into()])
                    })),
                    Err(error) => error_value(error),
                };
                put("list", path, value)?;
            }
            for (path, is_file) in &answers.is_file {
                put("is_file", path, (*is_file).into())?;
            }
            for (name, value) in &answers.env {
                put("env", name, value.clone().into())?;
            }
            Ok(())
        })
    }
}

/// What was read once is not read again: a load that is repeated for the places of its errors sees
/// what it saw before, also if it came from a pipe or has changed since.
impl Sources for Recorder<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.ask(|it| &mut it.files, path, || self.sources.read(path))
    }

    fn is_file(&self, path: &str) -> bool {
        self.ask(|it| &mut it.is_file, path, || self.sources.is_file(path))
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        self.ask(|it| &mut it.lists, dir, || self.sources.list(dir))
    }

    fn env(&self, name: &str) -> Option<String> {
        self.ask(|it| &mut it.env, name, || self.sources.env(name))
    }

    fn memory(&self) -> Option<Memory> {
        // Never recorded: it is another one each time.
        self.sources.memory()
    }
}

/// What was read then is read again.
impl Sources for Answers {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let answer = self.files.get(path).cloned();
        answer.unwrap_or_else(|| Err(SourceError::not_found()))
    }

    fn is_file(&self, path: &str) -> bool {
        self.is_file.get(path).copied().unwrap_or(false)
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        let answer = self.lists.get(dir).cloned();
        answer.unwrap_or_else(|| Err(SourceError::not_found()))
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned().flatten()
    }
}

fn error_value(error: &SourceError) -> Value {
    Value::dictionary([("errno", Value::Number(f64::from(error.code())))])
}

fn error_of(value: &Value) -> Option<SourceError> {
    let code = value.as_dictionary()?.get("errno")?.as_number()?;
    #[allow(clippy::cast_possible_truncation)]
    let error = std::io::Error::from_raw_os_error(code as i32);
    Some(error.into())
}

impl Answers {
    /// Takes in one record; `None` when it is none that this version writes.
    fn take(&mut self, kind: &str, name: String, value: &Value) -> Option<()> {
        match kind {
            "file" => {
                let answer = match (value, error_of(value)) {
                    (Value::String(text), _) => Ok(text.as_bytes().to_vec()),
                    (_, error) => Err(error?),
                };
                self.files.insert(name, answer);
            }
            "list" => {
                let answer = match (value, error_of(value)) {
                    (Value::Array(entries), _) => {
                        let entries = entries.items();
                        let entries = entries.iter().map(|entry| {
                            let entry = entry.as_array()?.items();
                            Some(DirEntry {
                                name: entry.first()?.as_str()?.to_owned(),
                                is_dir: entry.get(1)?.is_true(),
                            })
                        });
                        Ok(entries.collect::<Option<_>>()?)
                    }
                    (_, error) => Err(error?),
                };
                self.lists.insert(name, answer);
            }
            "is_file" => {
                self.is_file.insert(name, value.is_true());
            }
            "env" => {
                self.env.insert(name, value.as_str().map(str::to_owned));
            }
            _ => return None,
        }
        Some(())
    }
}

/// Where the inputs of the last load are.
pub(super) fn path(paths: &Paths) -> PathBuf {
    paths
        .cache_dir
        .join(format!("{}.inputs", crate::version::PROGRAM))
}

fn read(path: &Path) -> anyhow::Result<(Inputs, Answers)> {
    let damaged = || format!("'{}' is damaged", path.display());
    let records = match dump::read(path) {
        Ok(records) => records,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(error).with_context(damaged);
        }
        Err(error) => bail!("cannot read '{}': {error}", path.display()),
    };
    let mut inputs = None;
    let mut answers = Answers::default();
    for record in &records {
        let parts = record.as_array().map(|it| it.items()).unwrap_or_default();
        let [kind, name, value] = &parts[..] else {
            bail!(damaged());
        };
        let (kind, name) = (kind.as_str().unwrap_or(""), name.as_str().unwrap_or(""));
        if kind == "inputs" {
            inputs = Inputs::from_value(value);
        } else {
            answers
                .take(kind, name.to_owned(), value)
                .with_context(damaged)?;
        }
    }
    Ok((inputs.with_context(damaged)?, answers))
}

/// Makes the file of objects afresh, if the last load left only its inputs.
///
/// # Errors
/// When the inputs cannot be read or the file cannot be written.
pub(crate) fn refresh_objects(paths: &Paths) -> anyhow::Result<()> {
    let inputs_path = path(paths);
    let changed = |path: &Path| {
        std::fs::metadata(path)
            .and_then(|data| data.modified())
            .ok()
    };
    let Some(loaded) = changed(&inputs_path) else {
        return Ok(());
    };
    if changed(&paths.objects_path).is_some_and(|dumped| dumped >= loaded) {
        return Ok(());
    }
    let (inputs, answers) = read(&inputs_path)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut loaded = inputs.evaluate(&answers, true, threads);
    let mut declarations = std::mem::take(&mut loaded.declarations);
    complete(&mut declarations);
    let built = bheka_model::build(1, declarations, loaded.globals.to_map());
    let written = caches::write_objects(&paths.objects_path, &built.generation);
    loaded.globals.retire();
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use bheka_lang::MemorySources;

    #[test]
    fn a_load_is_done_again_from_what_it_read() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("x.inputs");
        let sources = MemorySources::new([
            (
                "/main.conf",
                "include \"d/*.conf\"\nconst Here = getenv(\"NOBODY_SETS_THIS\")",
            ),
            (
                "/d/one.conf",
                "object CheckCommand \"c\" { command = [ \"/bin/true\" ] }",
            ),
            ("/d/two.conf", "object Host \"h\" { check_command = \"c\" }"),
        ]);
        let inputs = Inputs {
            include_dirs: Vec::new(),
            files: vec!["/main.conf".to_owned()],
            constants: vec![("Answer".to_owned(), Value::Number(42.0))],
            zone_dirs: Vec::new(),
            packages: Vec::new(),
            now: Timestamp(1.5),
        };
        let recorder = Recorder::new(&sources);
        let first = inputs.evaluate(&recorder, false, 2);
        recorder.write(&file, &inputs).expect("written");
        let (again, answers) = read(&file).expect("read");
        assert_eq!(again.now, inputs.now);
        let second = again.evaluate(&answers, true, 2);
        let names = |loaded: &bheka_lang::Loaded| -> Vec<Str> {
            loaded
                .declarations
                .iter()
                .map(|it| it.name.clone())
                .collect()
        };
        assert_eq!(names(&first), names(&second));
        assert!(names(&second).iter().any(|name| *name == "h"));
        assert_eq!(second.globals.get("Answer"), Some(Value::Number(42.0)));
        first.globals.retire();
        second.globals.retire();
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("x.inputs");
        for text in ["", "5:[1,2],", "14:[\"odd\",\"x\",1],", "3:"] {
            std::fs::write(&file, text).expect("written");
            assert!(read(&file).is_err(), "{text}");
        }
    }
}
