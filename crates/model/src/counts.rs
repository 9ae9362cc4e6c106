//! The lines that say how many objects of a type there are.

use bheka_value::schema::TypeInfo;

/// `Instantiated 3 TimePeriods.`, as the facility `ConfigItem` logs it.
#[must_use]
pub fn instantiated_line(info: &TypeInfo, count: usize) -> String {
    let name = if count == 1 { info.name } else { info.plural };
    format!("Instantiated {count} {name}.")
}

/// `Found 3 Host objects.`, as `object list --count` prints it.
#[must_use]
pub fn found_line(type_name: &str, count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("Found {count} {type_name} object{plural}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        let line =
            |name, count| instantiated_line(crate::catalogue().type_info(name).unwrap(), count);
        assert_eq!(line("TimePeriod", 3), "Instantiated 3 TimePeriods.");
        assert_eq!(line("Dependency", 2), "Instantiated 2 Dependencies.");
        assert_eq!(line("Dependency", 1), "Instantiated 1 Dependency.");
        assert_eq!(line("Host", 0), "Instantiated 0 Hosts.");
        assert_eq!(found_line("Host", 2), "Found 2 Host objects.");
        assert_eq!(found_line("User", 1), "Found 1 User object.");
    }
}
