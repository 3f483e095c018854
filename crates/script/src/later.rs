//! Methods and fields that nobody has asked for yet. A script uses few of the hundreds that there are, and a run should not begin with
//! making them all.

use mlua::{Function, Lua, Table};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

type Make = Box<dyn FnOnce(&Lua, &Later) -> mlua::Result<Function>>;

struct Entry {
    class: &'static str,
    name: Cow<'static, str>,
    is_field: bool,
    make: Option<Make>,
}

/// What the types have, made or not.
#[derive(Default)]
pub(crate) struct Later {
    entries: RefCell<Vec<Entry>>,
    tables: RefCell<BTreeMap<&'static str, (Table, Table)>>,
}

impl Later {
    /// A method that `make` makes.
    pub fn method(
        &self,
        class: &'static str,
        name: impl Into<Cow<'static, str>>,
        make: impl FnOnce(&Lua, &Later) -> mlua::Result<Function> + 'static,
    ) {
        self.add(class, name.into(), false, Box::new(make));
    }

    /// A field; the function that `make` makes gets the value that it is asked of.
    pub fn field(
        &self,
        class: &'static str,
        name: &'static str,
        make: impl FnOnce(&Lua, &Later) -> mlua::Result<Function> + 'static,
    ) {
        self.add(class, name.into(), true, Box::new(make));
    }

    /// Puts something around a method that was declared before.
    pub fn wrap(
        &self,
        class: &'static str,
        name: &str,
        wrap: impl FnOnce(&Lua, &Later, Function) -> mlua::Result<Function> + 'static,
    ) {
        let mut entries = self.entries.borrow_mut();
        let entry =
            entries.iter_mut().find(|entry| entry.class == class && entry.name == name && !entry.is_field);
        let entry = entry.expect("a method that was declared");
        let make = entry.make.take().expect("a method that nobody has asked for");
        entry.make = Some(Box::new(move |lua, later| {
            let inner = make(lua, later)?;
            wrap(lua, later, inner)
        }));
    }

    /// A method of a type, made if need be.
    pub fn get(&self, lua: &Lua, class: &'static str, name: &str) -> mlua::Result<Function> {
        self.find(lua, class, name)?;
        self.tables(lua, class)?.0.raw_get(name)
    }

    /// The methods and the fields of a type that were made so far.
    pub fn tables(&self, lua: &Lua, class: &'static str) -> mlua::Result<(Table, Table)> {
        if let Some(tables) = self.tables.borrow().get(class) {
            return Ok(tables.clone());
        }
        let tables = (lua.create_table()?, lua.create_table()?);
        self.tables.borrow_mut().insert(class, tables.clone());
        Ok(tables)
    }

    /// Makes what a type has under this name, if it has any, and puts it into the type's tables.
    pub fn find(&self, lua: &Lua, class: &'static str, name: &str) -> mlua::Result<()> {
        let place = owners(class).find_map(|owner| {
            let fits = |entry: &Entry| entry.class == owner && entry.name == name && entry.belongs_to(class);
            self.entries.borrow().iter().position(fits)
        });
        place.map_or(Ok(()), |place| self.make(lua, class, place))
    }

    /// Makes all that a type has.
    pub fn all(&self, lua: &Lua, class: &'static str) -> mlua::Result<()> {
        for owner in owners(class) {
            let fits = |(_, entry): &(usize, &Entry)| entry.class == owner && entry.belongs_to(class);
            let places: Vec<usize> =
                self.entries.borrow().iter().enumerate().filter(fits).map(|(place, _)| place).collect();
            for place in places {
                self.make(lua, class, place)?;
            }
        }
        Ok(())
    }

    fn add(&self, class: &'static str, name: Cow<'static, str>, is_field: bool, make: Make) {
        self.entries.borrow_mut().push(Entry { class, name, is_field, make: Some(make) });
    }

    fn make(&self, lua: &Lua, class: &'static str, place: usize) -> mlua::Result<()> {
        let (owner, name, is_field, make) = {
            let entry = &mut self.entries.borrow_mut()[place];
            (entry.class, entry.name.clone(), entry.is_field, entry.make.take())
        };
        let table_of =
            |class| self.tables(lua, class).map(|(methods, fields)| if is_field { fields } else { methods });
        let function = match make {
            Some(make) => make(lua, self)?,
            None => table_of(owner)?.raw_get(&*name)?,
        };
        table_of(owner)?.raw_set(&*name, &function)?;
        if owner != class {
            table_of(class)?.raw_set(&*name, function)?;
        }
        Ok(())
    }
}

/// Whose methods and fields a type has: routers are hosts that pass things on.
fn owners(class: &'static str) -> impl Iterator<Item = &'static str> {
    let more: &[&'static str] = match class {
        "router" => &["host"],
        "nat" => &["router", "host"],
        _ => &[],
    };
    std::iter::once(class).chain(more.iter().copied())
}

impl Entry {
    /// Whether it is also one of the types that stand on its own.
    fn belongs_to(&self, class: &str) -> bool {
        match self.class {
            own if own == class => true,
            "host" => self.is_field || !matches!(&*self.name, "work" | "allocate" | "free"),
            _ => !self.is_field,
        }
    }
}
