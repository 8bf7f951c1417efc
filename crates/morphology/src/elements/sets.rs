//! Sets of structuring functions: constraints that know where a kernel has its centre, and what
//! dilations by it will do.
//!
//! Kernels are `[kh, kw, …]`; the centre is the entry $(\lfloor (kh-1)/2 \rfloor, \lfloor (kw-1)/2
//! \rfloor)$, which is where a window with same padding and stride 1 has the pixel itself, for even
//! sizes too. All of these sets act on the plane `[kh, kw]` of each channel and filter.
//!
//! | set | formula | convex | cost of a plane of n entries | projection in a metric | of directions |
//! |---|---|---|---|---|---|
//! | [`ZeroCentre`] | `min <= w <= max, w_centre = 0` | yes | n | yes, the same | yes |
//! | [`Support`] | `min <= w <= max on the support, -inf off it` | yes | n | yes, the same | yes |
//! | [`SupNormalized`] | `w <= 0, max w = 0` | no | n | yes | yes |
//! | [`ConstantKernel`] | `all w on the support equal, -inf off it` | yes | n | yes | yes |
//! | [`Symmetric`] | `w_d = w_gd for every g of the group` | yes | n | yes | yes |
//! | [`RadiallyNonIncreasing`] | `w_d >= w_e where \|d\| < \|e\|` | yes | n log n | yes | yes |
//! | [`Concave`] | `w_(d-e) - 2 w_d + w_(d+e) <= 0 along rows, columns, diagonals` | yes | p exchanges, each p³ | yes | yes |
//! | [`Separable`] | `w_ij = u_i + v_j` | yes | n | no | yes |
//!
//! The one design choice: a set is written for one plane of double-precision numbers, in
//! `plane.rs`, and acts on every plane of a kernel of any rank and precision.

pub mod concave;
pub mod constant_kernel;
pub(crate) mod plane;
pub mod radially_non_increasing;
pub mod separable;
pub mod sup_normalized;
pub mod support;
pub mod symmetric;
pub mod zero_centre;

pub use concave::Concave;
pub use constant_kernel::ConstantKernel;

pub use radially_non_increasing::RadiallyNonIncreasing;
pub use separable::Separable;
pub use sup_normalized::SupNormalized;
pub use support::Support;
pub use symmetric::Symmetric;
pub use zero_centre::ZeroCentre;
