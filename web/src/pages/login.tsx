// Log in with a Kubernetes token: then one sees what that token may see. In: a token. Out: a session; the token is kept by the backend alone.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post, Refused, session } from "../ask";
import { Logo } from "../parts/icons";
import { Notice } from "../parts/states";
import type { Refusal, Session } from "../shapes";

export function LoginPage(): JSX.Element {
  const [token, setToken] = useState("");
  const [refusal, refuse] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);
  const send = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    refuse(null);
    try {
      session.value = await post<Session>("/api/login", { token: token.trim() });
    } catch (error) {
      refuse(error instanceof Refused ? error.refusal : { sentence: String(error), hint: "" });
    }
    setBusy(false);
  };
  return (
    <main class="login" id="content">
      <form class="card" onSubmit={send}>
        <h1>
          <Logo /> Isthmus
        </h1>
        <label class="pick">
          <span>Kubernetes token</span>
          <textarea
            rows={4}
            value={token}
            required
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <p class="quiet">
          <code>kubectl create token ACCOUNT -n NAMESPACE</code> prints one. You will see what it may see.
        </p>
        {refusal && <Notice mark="fail" sentence={refusal.sentence} hint={refusal.hint} alert />}
        <button type="submit" class="button" disabled={busy}>
          {busy ? "Asking the cluster" : "Log in"}
        </button>
      </form>
    </main>
  );
}
