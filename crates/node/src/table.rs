//! Where a node keeps its forwarding table, which may not be worked out before it is needed.

use std::cell::OnceCell;
use std::rc::Rc;
use tidewire_l3_network::{Fib, FibSource};

/// A forwarding table, or where to get it from.
#[derive(Debug, Default)]
pub(crate) struct Table {
    fib: OnceCell<Fib>,
    /// Who works it out, and the node's number there; without, it is empty.
    source: Option<(Rc<dyn FibSource>, u32)>,
}

impl Table {
    #[inline]
    pub fn get(&self) -> &Fib {
        self.fib.get_or_init(|| self.work_out())
    }

    #[cold]
    #[inline(never)]
    fn work_out(&self) -> Fib {
        self.source.as_ref().map_or_else(Fib::default, |(source, node)| source.fib(*node))
    }
}

impl From<Fib> for Table {
    fn from(fib: Fib) -> Table {
        Table { fib: OnceCell::from(fib), source: None }
    }
}

impl From<(Rc<dyn FibSource>, u32)> for Table {
    fn from(source: (Rc<dyn FibSource>, u32)) -> Table {
        Table { fib: OnceCell::new(), source: Some(source) }
    }
}
