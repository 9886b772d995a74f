// The same view as a command. In: the command. Out: a line to read and a button that copies it.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "./icons";

export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no permission, or a page that came without TLS from elsewhere than this machine
  }
}

export function Command({
  command,
  label = "The same in a terminal",
}: {
  command: string;
  label?: string;
}): JSX.Element | null {
  const [said, say] = useState("");
  if (!command) return null;
  const press = async () => {
    say((await copy(command)) ? "Copied" : "Select the text and copy it by hand");
    setTimeout(() => say(""), 2500);
  };
  return (
    <div class="command">
      <span class="command-label">{label}</span>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard */}
      <code tabIndex={0}>{command}</code>
      <button type="button" class="plain" onClick={press} aria-label={`Copy the command: ${command}`}>
        <Icon name={said === "Copied" ? "done" : "copy"} size={16} />
        <span>{said === "Copied" ? "Copied" : "Copy"}</span>
      </button>
      <span role="status" class={said && said !== "Copied" ? "command-said" : "hush"}>
        {said}
      </span>
    </div>
  );
}
