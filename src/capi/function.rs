use super::guard::{check_output, guard, write};
use super::tsc_status;
use super::tsc_status::{TSC_INVALID_ARGUMENT, TSC_NOT_FOUND};
use crate::sys;

/// How many bytes tsc_function_id writes.
pub const TSC_FUNCTION_ID: usize = 32;
const _: () = assert!(TSC_FUNCTION_ID == sys::FUNCTION_ID);

/// Identifies a function of the program, for use in tsc_endpoint.verification.
///
/// A connection that verifies by a callback verifies what that callback does. The callback's address does not
/// identify it: another function may get the address after dlclose, and the next process has the function at another
/// one. On Linux the id is the build id of the module that the function is in, with the function's place in it. For
/// a module without a build id, and on other systems, it holds only within this process; on other systems, do
/// not unload a module with such a function.
///
/// function: not NULL; it is not called.
/// out: TSC_FUNCTION_ID bytes, which receive the id.
/// Returns TSC_OK; TSC_NOT_FOUND if the function is in no module but was made at run time, as libffi does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_function_id(
    function: Option<unsafe extern "C" fn()>,
    out: *mut u8,
) -> tsc_status {
    guard(|| {
        let function = function.ok_or(TSC_INVALID_ARGUMENT)?;
        check_output(out)?;
        let id = sys::function_id(function as usize).ok_or(TSC_NOT_FOUND)?;
        write(out.cast(), id);
        Ok(())
    })
}
