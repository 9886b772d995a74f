// What a view says when it has nothing to show, or only old things. In: the stream's state, problems of a snapshot. Out: sentences.
import type { ComponentChildren, JSX } from "preact";
import { type Live, useNow } from "../live";
import type { Head, Mark, Problem, Refusal } from "../shapes";
import { age } from "../words";
import { Icon } from "./icons";
import { Sign } from "./marks";

const MARKS: Record<Problem["kind"], Mark> = { away: "fail", refused: "fail", stale: "warn", empty: "unknown" };

export function Notice(props: {
  mark: Mark;
  sentence: string;
  hint?: string;
  place?: string;
  alert?: boolean;
}): JSX.Element {
  return (
    <div class={`notice ${props.mark}`} role={props.alert ? "alert" : undefined}>
      <Sign mark={props.mark} />
      <p>
        {props.place && <strong>{props.place}: </strong>}
        {props.sentence} {props.hint && <span class="hint">{props.hint}</span>}
      </p>
    </div>
  );
}

export function Problems({ problems }: { problems: Problem[] }): JSX.Element {
  return (
    <div class="problems">
      {problems.map((one) => (
        <Notice
          key={one.cluster + one.sentence}
          mark={MARKS[one.kind]}
          place={one.cluster}
          sentence={one.sentence}
          hint={one.hint}
        />
      ))}
    </div>
  );
}

/** Whether what is shown is live, and if not how old it is. */
export function Pulse({ live }: { live: Live<{ head: Head }> }): JSX.Element {
  const now = useNow(live.state !== "live");
  const old = live.came ? age((now - live.came) / 1000) : "";
  if (live.state === "live" && !live.refusal)
    return (
      <span class="pulse live" data-came={live.came}>
        <i class="dot" />
        live
      </span>
    );
  const words = {
    opening: old ? `${old} old, opening` : "opening",
    lost: old ? `reconnecting, ${old} old` : "reconnecting",
    ended: old ? `ended, ${old} old` : "ended",
    live: old ? `trying again, ${old} old` : "trying again",
  }[live.state];
  return (
    <span class="pulse old">
      <i class="dot" />
      {words}
    </span>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

function Lost({ refusal, came }: { refusal: Refusal | null; came: number }): JSX.Element {
  const now = useNow();
  const hint = came ? `What you see is ${age((now - came) / 1000)} old.` : "";
  return (
    <Notice
      mark="warn"
      sentence={refusal?.sentence ?? "The stream from the dashboard's backend is lost; reconnecting."}
      hint={[refusal?.hint, hint].filter(Boolean).join(" ")}
    />
  );
}

/** A view's body with everything that may be wrong above it: problems, a lost stream, a refusal, or nothing yet. */
export function Body<T extends { head: Head }>(props: {
  live: Live<T>;
  children: (data: T) => ComponentChildren;
}): JSX.Element {
  const { live } = props;
  return (
    <>
      <div aria-live="polite">
        {live.state === "ended" && live.refusal && (
          <Notice mark="fail" sentence={live.refusal.sentence} hint={live.refusal.hint} />
        )}
        {(live.state === "lost" || (live.state === "live" && live.refusal)) && (
          <Lost refusal={live.refusal} came={live.came} />
        )}
        {live.data && <Problems problems={live.data.head.problems} />}
      </div>
      {live.data ? props.children(live.data) : live.state === "opening" || live.state === "live" ? <Waiting /> : null}
    </>
  );
}

function Waiting(): JSX.Element {
  return (
    <div class="waiting" role="status">
      <p class="quiet">Asking the clusters …</p>
      <i />
      <i />
      <i />
    </div>
  );
}

export function Closer({ onClose, label }: { onClose: () => void; label: string }): JSX.Element {
  return (
    <button type="button" class="plain square" onClick={onClose} aria-label={label}>
      <Icon name="close" />
    </button>
  );
}
