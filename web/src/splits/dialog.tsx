// What writing a split would change. In: a preview. Out: a dialog with the diff, the same as a command, and the button that writes.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Command } from "../parts/command";
import { Closer } from "../parts/states";
import type { SplitPreview } from "../shapes";

interface Props {
  preview: SplitPreview;
  busy: boolean;
  onWrite: () => void;
  onClose: () => void;
}

const SIGNS = { " ": "kept", "+": "added", "-": "removed" } as const;

export function SplitDialog({ preview, busy, onWrite, onClose }: Props): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const place = dialog.current;
    place?.showModal();
    return () => place?.close();
  }, []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="split-title" onClose={onClose}>
      <div class="card-head">
        <h2 id="split-title">What would change</h2>
        <Closer label="Close without writing" onClose={onClose} />
      </div>
      {preview.changed ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <pre class="diff" tabIndex={0}>
          {preview.lines.map((line, at) => (
            <span class={SIGNS[line.sign]} key={at}>
              <span aria-hidden="true">{line.sign}</span>
              {line.sign !== " " && <span class="hush">{SIGNS[line.sign]}: </span>}
              {line.text}
              {"\n"}
            </span>
          ))}
        </pre>
      ) : (
        <p>Nothing: the object already says this.</p>
      )}
      <Command command={preview.command} label="By hand" />
      <div class="toolbar end">
        <button type="button" class="plain" onClick={onClose}>
          Leave it
        </button>
        <button type="button" class="button" disabled={busy || !preview.changed} onClick={onWrite}>
          {busy ? "Writing" : "Write it"}
        </button>
      </div>
    </dialog>
  );
}
