// The frame around every page: the way between pages, theme, who looks. In: where the viewer is. Out: markup.
import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { post, refresh, session, unreached } from "./ask";
import { HealthPage } from "./pages/health";
import { LinksPage } from "./pages/links";
import { LoginPage } from "./pages/login";
import { NamespacesPage } from "./pages/namespaces";
import { OverviewPage } from "./pages/overview";
import { PolicyPage } from "./pages/policy";
import { WorkloadPage } from "./pages/workload";
import { WorkloadsPage } from "./pages/workloads";
import { Icon, type IconName, Logo } from "./parts/icons";
import { Empty, Notice } from "./parts/states";
import { here } from "./place";
import { TapPage } from "./requests/tap";
import { TopPage } from "./requests/top";
import { carried, href, type Page } from "./route";
import { SplitsPage } from "./splits/page";
import { choose, type Theme, theme } from "./theme";

const NAV: Array<{ page: Page & IconName; text: string }> = [
  { page: "overview", text: "Overview" },
  { page: "namespaces", text: "Namespaces" },
  { page: "workloads", text: "Workloads" },
  { page: "links", text: "Links" },
  { page: "splits", text: "Splits" },
  { page: "tap", text: "Tap" },
  { page: "top", text: "Top" },
  { page: "policy", text: "Policy" },
  { page: "health", text: "Health" },
];

const PAGES: Record<Page, ComponentType> = {
  overview: OverviewPage,
  namespaces: NamespacesPage,
  workloads: WorkloadsPage,
  workload: WorkloadPage,
  links: LinksPage,
  splits: SplitsPage,
  tap: TapPage,
  top: TopPage,
  policy: PolicyPage,
  health: HealthPage,
  nowhere: () => (
    <Empty title="There is no such page.">
      <a href="/">The overview</a> shows all clusters.
    </Empty>
  ),
};

export function App(): JSX.Element {
  useEffect(() => void refresh(), []);
  const found = session.value;
  if (!found) return <Before />;
  if (found.login === "needed") return <LoginPage />;
  const { page, subject } = here.value;
  const Shown = PAGES[page];
  const key = subject ? Object.values(subject).join("/") : page;
  return (
    <>
      <a class="skip" href="#content">
        Skip to the page
      </a>
      <Side page={page} />
      <main id="content" tabIndex={-1}>
        <Shown key={key} />
      </main>
    </>
  );
}

function Before(): JSX.Element {
  const refusal = unreached.value;
  return (
    <main class="before" id="content">
      <Logo />
      <h1 class={refusal ? "" : "hush"}>Isthmus</h1>
      {refusal && <Notice mark="fail" sentence={refusal.sentence} hint={`${refusal.hint} Trying again.`} alert />}
    </main>
  );
}

function Side({ page }: { page: Page }): JSX.Element {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [page]);
  const kept = carried(here.value.query);
  const current = page === "workload" ? "workloads" : page;
  return (
    <div class={`side${open ? " open" : ""}`}>
      <div class="brand">
        <a href="/" class="brand-link">
          <Logo />
          <span>Isthmus</span>
        </a>
        <button
          type="button"
          class="plain square menu"
          aria-expanded={open}
          aria-controls="pages"
          aria-label="Pages"
          onClick={() => setOpen(!open)}
        >
          <Icon name={open ? "close" : "menu"} />
        </button>
      </div>
      <nav id="pages" aria-label="Pages">
        <ul>
          {NAV.map((one) => (
            <li key={one.page}>
              <a href={href(one.page, kept)} aria-current={current === one.page ? "page" : undefined}>
                <Icon name={one.page} />
                {one.text}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="side-foot">
        <ThemeSwitch />
        <Who />
      </div>
    </div>
  );
}

const THEMES: Array<{ value: Theme; text: string; icon: IconName }> = [
  { value: "auto", text: "As the system", icon: "auto" },
  { value: "light", text: "Light", icon: "sun" },
  { value: "dark", text: "Dark", icon: "moon" },
];

function ThemeSwitch(): JSX.Element {
  return (
    <fieldset class="tabs icons">
      <legend class="hush">Colours</legend>
      {THEMES.map((one) => (
        <button
          type="button"
          key={one.value}
          aria-pressed={theme.value === one.value}
          aria-label={one.text}
          title={one.text}
          onClick={() => choose(one.value)}
        >
          <Icon name={one.icon} size={16} />
        </button>
      ))}
    </fieldset>
  );
}

function Who(): JSX.Element {
  const found = session.value;
  const leave = async () => {
    await post("/api/logout", {}).catch(() => undefined);
    await refresh();
  };
  return (
    <p class="who">
      {found?.login === "in" && (
        <>
          <span class="long">{found.user}</span>
          <button type="button" class="plain small" onClick={leave}>
            Log out
          </button>
        </>
      )}
      <span class="quiet">{found?.version}</span>
    </p>
  );
}
