//! One bottleneck, or several in a row.

use super::{Maker, Style, check_size};
use crate::{LinkSpec, Plan, PlanError};
use tidewire_units::{LinkId, NodeId};

/// What [`dumbbell`] built.
#[derive(Clone, Debug, PartialEq)]
pub struct Dumbbell {
    /// Hosts `left1`..; the i-th is the partner of the i-th on the right.
    pub left: Vec<NodeId>,
    /// Hosts `right1`...
    pub right: Vec<NodeId>,
    /// The router `l`.
    pub l: NodeId,
    /// The router `r`.
    pub r: NodeId,
    /// The link `l-r`; data from left to right goes forward.
    pub bottleneck: LinkId,
    /// The links `left<i>-l`.
    pub left_access: Vec<LinkId>,
    /// The links `r-right<i>`.
    pub right_access: Vec<LinkId>,
}

/// What [`parking_lot`] built.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkingLot {
    /// Routers `r1`..`r<n+1>`.
    pub routers: Vec<NodeId>,
    /// The links between them, each a bottleneck.
    pub bottlenecks: Vec<LinkId>,
    /// The pair whose path crosses all of them: hosts `src0` and `dst0`.
    pub long: (NodeId, NodeId),
    /// The pairs that cross one each: hosts `src<i>` at `r<i>` and `dst<i>` at `r<i+1>`.
    pub cross: Vec<(NodeId, NodeId)>,
    /// The links of the hosts, in the order of their declaration.
    pub access: Vec<LinkId>,
}

/// ```text
///   left1 ---.             .--- right1
///             l ========= r
///   left2 ---'  bottleneck '--- right2
/// ```
/// `pairs` hosts on each side of one link between two routers: 2 `pairs` + 2 nodes, 2 `pairs` + 1 links. The round-trip time of a
/// pair is twice the sum of the delays of its two access links and the bottleneck. The style's `link` is not used.
///
/// # Errors
/// No pairs, more than a million nodes, a name that is taken, an impossible link option.
pub fn dumbbell(
    plan: &mut Plan,
    pairs: u32,
    bottleneck: &LinkSpec,
    style: &Style,
) -> Result<Dumbbell, PlanError> {
    check_size("the number of pairs of a dumbbell", pairs.into(), 1, 2 * u64::from(pairs) + 2)?;
    let mut maker = Maker { plan, style };
    let (l, r) = (maker.node("l")?, maker.node("r")?);
    let side = |maker: &mut Maker, name: &str| -> Result<Vec<NodeId>, PlanError> {
        (1..=pairs).map(|i| maker.host(&format!("{name}{i}"))).collect()
    };
    let (left, right) = (side(&mut maker, "left")?, side(&mut maker, "right")?);
    let middle = maker.plan.connect(l, r, bottleneck.clone())?;
    let left_access = left.iter().map(|&host| maker.access(host, l)).collect::<Result<_, _>>()?;
    let right_access = right.iter().map(|&host| maker.access(r, host)).collect::<Result<_, _>>()?;
    Ok(Dumbbell { left, right, l, r, bottleneck: middle, left_access, right_access })
}

/// ```text
///   src0                      dst0
///      \                      /
///       r1 ===== r2 ===== r3          (n = 2)
///       |       |  |      |
///      src1  dst1  src2  dst2
/// ```
/// `n` bottlenecks (the style's `link`) in a row, one pair of hosts across all and one across each: `n` + 1 routers, 2 `n` + 2
/// hosts, 3 `n` + 2 links. Used to study fairness between long and short paths (Floyd, "Connections with multiple congested
/// gateways in packet-switched networks", 1991).
///
/// # Errors
/// `n` = 0, more than a million nodes, a name that is taken.
pub fn parking_lot(plan: &mut Plan, n: u32, style: &Style) -> Result<ParkingLot, PlanError> {
    check_size("the number of bottlenecks of a parking lot", n.into(), 1, 3 * u64::from(n) + 3)?;
    let mut maker = Maker { plan, style };
    let routers: Vec<NodeId> = (1..=n + 1).map(|i| maker.node(&format!("r{i}"))).collect::<Result<_, _>>()?;
    let pair = |maker: &mut Maker, i: u32| -> Result<(NodeId, NodeId), PlanError> {
        Ok((maker.host(&format!("src{i}"))?, maker.host(&format!("dst{i}"))?))
    };
    let long = pair(&mut maker, 0)?;
    let cross: Vec<_> = (1..=n).map(|i| pair(&mut maker, i)).collect::<Result<_, _>>()?;
    let bottlenecks = routers.windows(2).map(|w| maker.link(w[0], w[1])).collect::<Result<_, _>>()?;
    let mut access = vec![maker.access(long.0, routers[0])?, maker.access(routers[n as usize], long.1)?];
    for (i, (src, dst)) in cross.iter().enumerate() {
        access.push(maker.access(*src, routers[i])?);
        access.push(maker.access(routers[i + 1], *dst)?);
    }
    Ok(ParkingLot { routers, bottlenecks, long, cross, access })
}
