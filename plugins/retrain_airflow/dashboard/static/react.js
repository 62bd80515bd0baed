// React and Chakra as Airflow's page offers them, so that nothing has to be built and all looks as the rest does.
export const { createElement: h, Fragment, useCallback, useEffect, useId, useRef, useState } = globalThis.React;
export const ui = globalThis.ChakraUI;
export const { Link: PageLink } = globalThis.ReactRouterDOM;
