// Weights of a split while somebody moves them. In: weights, which one moved. Out: all weights, their shares. Never here: drawing.
import type { Backend } from "../shapes";

export function keyOf(backend: Backend | undefined): string {
  return backend ? `${backend.namespace}/${backend.name}/${backend.port}` : "";
}

export function shares(weights: number[]): number[] {
  const sum = weights.reduce((all, one) => all + one, 0);
  return weights.map((one) => (sum > 0 ? one / sum : 0));
}

/**
 * All weights after one was moved. Of two, the other gives or takes, so that their sum stays what it was and a share is what one sees;
 * of more, the rest stay as written, because nobody can guess from whom to take.
 */
export function slid(weights: number[], at: number, weight: number): number[] {
  if (weights.length !== 2) return weights.map((one, n) => (n === at ? weight : one));
  const sum = Math.max(weights[0] ?? 0, 0) + Math.max(weights[1] ?? 0, 0) || 100;
  const mine = Math.min(weight, sum);
  return at === 0 ? [mine, sum - mine] : [sum - mine, mine];
}
