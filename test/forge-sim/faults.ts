import type { Hint, Odd } from './limits.ts';
import { globMatches, rngOf } from './util.ts';

export type ApiFaultKind =
    | 'error500'
    | 'html502'
    | 'unavailable503'
    | 'reset-before'
    | 'reset-after'
    | 'html502-after'
    | 'latency'
    | 'unauthorized'
    | 'forbidden'
    | 'not-found'
    | 'stale'
    | 'secondary'
    | 'primary'
    | 'odd-limits'
    | 'truncated'
    | 'hang'
    | 'late-answer';
export type WebhookFaultKind =
    | 'duplicate'
    | 'reorder'
    | 'delay'
    | 'drop'
    | 'drop-silent'
    | 'bad-signature'
    | 'no-signature'
    | 'altered-byte'
    | 'semantic-duplicate';

/** One thing that goes wrong. Without count it goes on; without probability it always fires. */
export interface Fault {
    on: 'api' | 'webhook';
    kind: ApiFaultKind | WebhookFaultKind;
    /** api: glob over `METHOD /path`, e.g. `POST *dispatches` */
    route?: string;
    /** webhook: event name or `event.action`, `*` allowed */
    event?: string;
    probability?: number;
    count?: number;
    /** lets this many matching calls pass before it fires */
    skip?: number;
    ms?: number;
    /** secondary: 403 or 429 */
    status?: number;
    /** secondary: which header tells when to come back */
    hint?: Hint;
    seconds?: number;
    /** odd-limits: how the numbers of the primary limit are wrong */
    odd?: Odd;
}

interface Armed {
    id: number;
    fault: Fault;
    left: number;
    skip: number;
    fired: number;
}

/** The armed faults and the seeded dice that decide whether one fires. */
export class Faults {
    private armed: Armed[] = [];
    private idNext = 1;
    private random: () => number;

    constructor(seed: number) {
        this.random = rngOf(seed);
    }

    seed(seed: number): void {
        this.random = rngOf(seed);
    }

    arm(fault: Fault): number {
        const id = this.idNext++;
        this.armed.push({
            id,
            fault,
            left: fault.count ?? Infinity,
            skip: fault.skip ?? 0,
            fired: 0,
        });
        return id;
    }

    clear(id?: number): void {
        this.armed = id === undefined ? [] : this.armed.filter((one) => one.id !== id);
    }

    list(): { id: number; fault: Fault; left: number | null; fired: number }[] {
        return this.armed.map(({ id, fault, left, fired }) => ({
            id,
            fault,
            left: Number.isFinite(left) ? left : null,
            fired,
        }));
    }

    /** All api faults that fire for this call; `stale` only when asked for by name. */
    forCall(label: string, isStale: boolean): Fault[] {
        if (this.armed.length === 0) return [];
        return this.fire(
            (fault) =>
                fault.on === 'api' &&
                (fault.kind === 'stale') === isStale &&
                globMatches(fault.route ?? '*', label),
        );
    }

    forDelivery(event: string, action: string | null): Fault[] {
        if (this.armed.length === 0) return [];
        return this.fire(
            (fault) =>
                fault.on === 'webhook' &&
                (globMatches(fault.event ?? '*', event) ||
                    globMatches(fault.event ?? '*', `${event}.${action ?? ''}`)),
        );
    }

    between(low: number, high: number): number {
        return low + this.random() * (high - low);
    }

    private fire(applies: (fault: Fault) => boolean): Fault[] {
        const fired: Fault[] = [];
        for (const one of this.armed) {
            if (one.left <= 0 || !applies(one.fault)) continue;
            if (one.skip > 0) {
                one.skip--;
                continue;
            }
            if (this.random() >= (one.fault.probability ?? 1)) continue;
            one.left--;
            one.fired++;
            fired.push(one.fault);
        }
        return fired;
    }
}
