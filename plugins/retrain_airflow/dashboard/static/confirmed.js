// A button that says what will happen, and does it when that is confirmed.
import { h, ui, useId, useRef, useState } from "./react.js";

const SHOWN = 10_000; // milliseconds for which "Done." is shown

// fields: [{ name, label, required, options }], filled in in the dialog and passed to `run` with a key, which stays the
// same for a second try.
export function Confirmed({ does, fields = [], look, name, run, variant = "solid" }) {
  const form = useId();
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const [done, setDone] = useState(false);
  const key = useRef(null);

  function change({ open: wanted }) {
    if (wanted) key.current = `ui-${Date.now()}-${Math.random().toString(36).slice(2)}`;
    setProblem(null);
    setDone(false);
    setOpen(wanted);
  }

  async function submit(event) {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.currentTarget));
    setBusy(true);
    setProblem(null);
    try {
      await run(values, key.current);
      setOpen(false);
      setDone(true);
      setTimeout(() => setDone(false), SHOWN);
      await look();
    } catch (refused) {
      setProblem(refused.message);
    } finally {
      setBusy(false);
    }
  }

  return h(
    ui.Dialog.Root,
    { onOpenChange: change, open, role: "alertdialog" },
    h(ui.Dialog.Trigger, { asChild: true }, h(ui.Button, { size: "sm", variant }, name)),
    h("span", { role: "status" }, done ? "Done." : ""),
    h(
      ui.Portal,
      null,
      h(ui.Dialog.Backdrop),
      h(
        ui.Dialog.Positioner,
        null,
        h(
          ui.Dialog.Content,
          null,
          h(ui.Dialog.Header, null, h(ui.Dialog.Title, null, `${name}?`)),
          h(
            ui.Dialog.Body,
            null,
            h(ui.Dialog.Description, null, does),
            h(
              "form",
              { id: form, onSubmit: submit },
              fields.map((each) => h(Field, { ...each, key: each.name })),
            ),
            problem && h(ui.Alert.Root, { mt: 3, status: "error" }, h(ui.Alert.Indicator), h(ui.Alert.Title, null, problem)),
          ),
          h(
            ui.Dialog.Footer,
            null,
            h(ui.Dialog.CloseTrigger, { asChild: true, position: "static" }, h(ui.Button, { size: "sm", variant: "outline" }, "Cancel")),
            h(ui.Button, { form, loading: busy, size: "sm", type: "submit" }, name),
          ),
        ),
      ),
    ),
  );
}

function Field({ label, name, options, required = false }) {
  return h(
    ui.Field.Root,
    { mt: 3, required },
    h(ui.Field.Label, null, label, required && h(ui.Field.RequiredIndicator)),
    options
      ? h(
          ui.NativeSelect.Root,
          null,
          h(
            ui.NativeSelect.Field,
            { name },
            options.map((each) => h("option", { key: each.value, value: each.value }, each.label)),
          ),
          h(ui.NativeSelect.Indicator),
        )
      : h(ui.Input, { maxLength: 1000, name, required }),
  );
}
