import type { Fault } from './catalogue.ts';
import { evaluate } from './evaluate.ts';
import type { Job } from './jobs.ts';
import type { OurFault } from './ours.ts';
import { openPlace } from './place.ts';
import type { Point } from './points.ts';

export interface Strike {
  point: Point;
  fault: Fault;
}

/** One job, and what goes wrong in it. */
export interface Cell {
  job: Job;
  /** Faults of the network and of Proxmox: none in a clean run, two in a pair. */
  strikes: Strike[];
  /** A fault of our own store or audit. */
  ours?: OurFault;
  /** The client cancels its call as this request leaves. */
  cancelled?: Point;
  /** The product serves another cluster beside this one, with the same VMIDs and names. */
  beside?: boolean;
}

/** `missed`: the fault found nothing to strike. */
export type Ending = 'success' | 'failure' | 'half-made' | 'unknown' | 'lied' | 'lost' | 'doubled' | 'hung' | 'missed';
export interface Evaluation {
  ending: Ending;
  why: string;
}

export function nameOf({ job, strikes, ours, cancelled }: Cell): string {
  const parts = strikes.map(({ point, fault }) => `${point.where} ${point.key} / ${fault.name}`);
  if (ours) parts.push(ours.name);
  if (cancelled) parts.push(`${cancelled.where} ${cancelled.key} / client-cancels`);
  return parts.length === 0 ? job.name : `${job.name} / ${parts.join(' + ')}`;
}

/** Times that a cell is tried whose fault found nothing to strike: reads of one moment come in any order. */
const TRIES = 3;

/** Executes one job with its faults, and compares the answer and the records with the state of the cluster. */
export async function runCell(cell: Cell): Promise<Evaluation & { points: Point[] }> {
  for (let tried = 1; ; tried++) {
    const place = await openPlace(cell);
    try {
      const evaluation = await evaluate(cell, place);
      if (evaluation.ending !== 'missed' || tried === TRIES) return { ...evaluation, points: place.points };
    } finally {
      await place.close();
    }
  }
}
