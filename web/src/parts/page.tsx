// What every page has: a heading with its state, choices, a body, its command. In: a live view. Out: markup.
import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Live } from "../live";
import { here } from "../place";
import { carried, workloadHref } from "../route";
import type { Head, Subject } from "../shapes";
import { kindWord } from "../words";
import { Command } from "./command";
import { Body, Pulse } from "./states";

interface Props<T extends { head: Head }> {
  title: string;
  lead?: ComponentChildren;
  live: Live<T>;
  tools?: ComponentChildren;
  children: (data: T) => ComponentChildren;
}

export function ViewPage<T extends { head: Head }>(props: Props<T>): JSX.Element {
  return (
    <Frame title={props.title} lead={props.lead} state={<Pulse live={props.live} />} tools={props.tools}>
      <Body live={props.live}>{props.children}</Body>
      {props.live.data && <Command command={props.live.data.head.command} />}
    </Frame>
  );
}

interface FrameProps {
  title: string;
  lead?: ComponentChildren;
  state?: ComponentChildren;
  tools?: ComponentChildren;
  children: ComponentChildren;
}

export function Frame(props: FrameProps): JSX.Element {
  useEffect(() => {
    document.title = `${props.title} · Isthmus`;
  }, [props.title]);
  return (
    <>
      <header class="page-head">
        <div class="page-title">
          <h1>{props.title}</h1>
          {props.state}
        </div>
        {props.lead && <p class="lead">{props.lead}</p>}
        {props.tools}
      </header>
      {props.children}
    </>
  );
}

export function Section(props: {
  title: string;
  id?: string;
  note?: ComponentChildren;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class="section" id={props.id}>
      <h2>{props.title}</h2>
      {props.note && <p class="note">{props.note}</p>}
      {props.children}
    </section>
  );
}

/** A workload's name with what tells it from others, and the way to its page; what is in no cluster has none. */
export function SubjectLink({ subject, kind = true }: { subject: Subject; kind?: boolean }): JSX.Element {
  const where = [subject.cluster, subject.namespace].filter(Boolean).join(" / ");
  const name = subject.kind ? (
    <a href={workloadHref(subject, { window: carried(here.value.query).window ?? "" })}>{subject.name}</a>
  ) : (
    <span>{subject.name || "outside"}</span>
  );
  return (
    <span class="subject">
      {name}
      <span class="subject-where">
        {[kind || !where ? kindWord(subject.kind) : "", where].filter(Boolean).join(" · ")}
      </span>
    </span>
  );
}
