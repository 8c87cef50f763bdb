/** How long (s) these tasks may take before a run calls their outcome unknown. */
export const CONFIG_SECONDS = 120;
export const RESIZE_SECONDS = 600;
