// What the map's signs mean. In: nothing. Out: a closed drawer of words.
import type { JSX } from "preact";
import { Icon } from "../parts/icons";
import { Sign } from "../parts/marks";

export function Legend(): JSX.Element {
  return (
    <details class="legend">
      <summary>Legend</summary>
      <ul>
        <li>
          <Sign mark="ok" silent /> solid line: 99 % succeed or more
        </li>
        <li>
          <Sign mark="warn" silent /> long dashes: 95 % or more
        </li>
        <li>
          <Sign mark="fail" silent /> short dashes: fewer
        </li>
        <li>
          <Sign mark="unknown" silent /> dots: no requests counted
        </li>
        <li>
          <Icon name="lock" size={16} /> all of it over mTLS; open lock: not
        </li>
        <li>
          <Icon name="policy" size={16} /> a policy rules it; crossed: it denied some
        </li>
        <li>Thicker: more requests. A stack: a closed namespace.</li>
      </ul>
    </details>
  );
}
