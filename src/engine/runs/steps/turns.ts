import type { RequestStep } from '../../../core/plan/plan.ts';
import { nodeOf } from '../../../proxmox/guest/encode.ts';

/** Requests of one plan in flight on a node: each is a worker task, and the node serves its guests beside them. */
const PER_NODE = 4;

/** Lets the requests for several guests run side by side, within the limits of what they share. */
export class Turns {
  private readonly taken = new Map<string, number>();
  private readonly waiting: { needs: Record<string, number>; go: () => void }[] = [];

  /** Runs the work of a request once each thing that it shares has room for it. */
  async within<T>(step: RequestStep, work: () => Promise<T>): Promise<T> {
    const needs = { ...step.atMost, [`node ${placeOf(step)}`]: PER_NODE };
    if (this.fits(needs)) this.add(needs, 1);
    else await new Promise<void>((go) => this.waiting.push({ needs, go }));
    try {
      return await work();
    } finally {
      this.add(needs, -1);
      this.admit();
    }
  }

  private fits(needs: Record<string, number>): boolean {
    return Object.entries(needs).every(([key, most]) => (this.taken.get(key) ?? 0) < most);
  }
  private add(needs: Record<string, number>, more: 1 | -1): void {
    for (const key of Object.keys(needs)) this.taken.set(key, (this.taken.get(key) ?? 0) + more);
  }
  private admit(): void {
    for (const one of this.waiting.splice(0)) {
      if (this.fits(one.needs)) {
        this.add(one.needs, 1);
        one.go();
      } else this.waiting.push(one);
    }
  }
}

function placeOf({ task, path }: RequestStep): string {
  return task?.node ?? nodeOf(path);
}
