//! A plan of nodes, links and addresses, its generators, routes and drawings.
