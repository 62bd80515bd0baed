// React and Chakra from Airflow's page: nothing has to be built, and the panels look like the rest of Airflow.
export const { createElement: h, Fragment, useCallback, useEffect, useId, useRef, useState } = globalThis.React;
export const ui = globalThis.ChakraUI;
export const { Link: PageLink } = globalThis.ReactRouterDOM;
