// The page begins. In: nothing. Out: the app, in the document.
import { render } from "preact";
import "./style/tokens.css";
import "./style/base.css";
import "./style/frame.css";
import "./style/parts.css";
import "./style/table.css";
import "./style/map.css";
import "./style/pages.css";
import { App } from "./app";
import { listen } from "./place";
import { watch } from "./theme";

watch();
listen();
const root = document.getElementById("app");
if (root) render(<App />, root);
