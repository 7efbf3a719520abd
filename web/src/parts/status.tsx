/* Every state there is, once: its word, its icon, its tone. Never a colour alone. */
import {
    IconAlertTriangle,
    IconArrowUp,
    IconBan,
    IconCheck,
    IconCircleDashed,
    IconCircleDot,
    IconClock,
    IconEyeOff,
    IconHandStop,
    IconHelp,
    IconLoader2,
    IconLock,
    IconPlayerSkipForward,
    IconReplace,
    IconUserQuestion,
    IconX,
    type Icon,
} from '@tabler/icons-react';

export type Tone = 'good' | 'bad' | 'busy' | 'wait' | 'quiet';
export interface Look {
    word: string;
    icon: Icon;
    tone: Tone;
    turns?: boolean;
}

/** By the words of the API; nodes, runs, batches, verdicts, drift, uploads and facts share them. */
export const looks: Record<string, Look> = {
    waiting: { word: 'waiting', icon: IconCircleDashed, tone: 'quiet' },
    ready: { word: 'ready', icon: IconCircleDot, tone: 'quiet' },
    locked: { word: 'locked', icon: IconLock, tone: 'wait' },
    dispatching: { word: 'sending', icon: IconArrowUp, tone: 'busy' },
    queued: { word: 'queued', icon: IconClock, tone: 'busy' },
    running: { word: 'running', icon: IconLoader2, tone: 'busy', turns: true },
    waiting_approval: { word: 'needs approval', icon: IconUserQuestion, tone: 'wait' },
    cancelling: { word: 'cancelling', icon: IconBan, tone: 'quiet' },
    success: { word: 'done', icon: IconCheck, tone: 'good' },
    failure: { word: 'failed', icon: IconX, tone: 'bad' },
    cancelled: { word: 'cancelled', icon: IconBan, tone: 'quiet' },
    timed_out: { word: 'timed out', icon: IconClock, tone: 'bad' },
    skipped: { word: 'skipped', icon: IconPlayerSkipForward, tone: 'quiet' },
    superseded: { word: 'superseded', icon: IconReplace, tone: 'quiet' },
    error: { word: 'error', icon: IconAlertTriangle, tone: 'bad' },
    not_dispatched: { word: 'not sent', icon: IconEyeOff, tone: 'quiet' },
    preparing: { word: 'preparing', icon: IconCircleDashed, tone: 'quiet' },
    held: { word: 'held', icon: IconHandStop, tone: 'wait' },
    ended: { word: 'ended', icon: IconCheck, tone: 'quiet' },
    empty: { word: 'nothing to do', icon: IconCircleDashed, tone: 'quiet' },
    unknown: { word: 'unknown', icon: IconHelp, tone: 'quiet' },
    in_sync: { word: 'in sync', icon: IconCheck, tone: 'good' },
    drifted: { word: 'drifted', icon: IconAlertTriangle, tone: 'wait' },
    disabled: { word: 'disabled', icon: IconEyeOff, tone: 'quiet' },
    orphaned: { word: 'orphaned', icon: IconHelp, tone: 'quiet' },
    refused: { word: 'refused', icon: IconX, tone: 'bad' },
    pending: { word: 'pending', icon: IconClock, tone: 'busy' },
    applied: { word: 'applied', icon: IconCheck, tone: 'good' },
    succeeded: { word: 'done', icon: IconCheck, tone: 'good' },
    failed: { word: 'failed', icon: IconX, tone: 'bad' },
    complete: { word: 'waits', icon: IconClock, tone: 'busy' },
    joined: { word: 'used', icon: IconCheck, tone: 'good' },
    expired: { word: 'expired', icon: IconClock, tone: 'quiet' },
    set_aside: { word: 'set aside', icon: IconAlertTriangle, tone: 'wait' },
    dropped: { word: 'no effect', icon: IconEyeOff, tone: 'quiet' },
    ignored: { word: 'ignored', icon: IconEyeOff, tone: 'quiet' },
};

export function lookOf(state: string): Look {
    return looks[state] ?? { word: state.replaceAll('_', ' '), icon: IconHelp, tone: 'quiet' };
}

export function Status(props: { state: string; word?: string; size?: number }) {
    const look = lookOf(props.state);
    const Icon = look.icon;
    return (
        <span className="status" data-tone={look.tone} data-turns={look.turns ?? false}>
            <Icon size={props.size ?? 15} stroke={2} aria-hidden />
            {props.word ?? look.word}
        </span>
    );
}

/** A batch: what came of it once it has ended, else where it stands. */
export function batchState(batch: { state: string; verdict: string }): string {
    return batch.state === 'ended' && batch.verdict !== '' ? batch.verdict : batch.state;
}
