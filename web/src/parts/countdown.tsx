/* What remains until a moment, told when its words change and not more often. */
import './lists.css';
import { Progress, Tooltip } from '@mantine/core';
import { IconClockHour4, IconAlertTriangle } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { countdown } from '../logic/countdown.ts';
import { exactWords } from '../logic/time.ts';

const wait_ms_max = 60_000;

/** The time, new whenever `nextOf` says that something looks different. */
export function useNowUntil(nextOf: (now_ms: number) => number): number {
    const [now_ms, setNow] = useState(() => Date.now());
    const next_ms = nextOf(now_ms);
    useEffect(() => {
        if (next_ms === Infinity) return undefined;
        const wait = Math.min(wait_ms_max, Math.max(20, next_ms - Date.now()));
        const timer = window.setTimeout(() => setNow(Date.now()), wait);
        return () => window.clearTimeout(timer);
    }, [next_ms, now_ms]);
    return now_ms;
}

export interface CountdownProps {
    from_ms: number;
    until_ms: number;
    /** What it says when it is over. */
    over?: string;
    hasBar?: boolean;
    /** Its end is nothing to worry about. */
    isCalm?: boolean;
}

export function Countdown({
    from_ms,
    until_ms,
    over = 'expired',
    hasBar = false,
    isCalm = false,
}: CountdownProps) {
    const now_ms = useNowUntil((now) => countdown(from_ms, until_ms, now).next_ms);
    const left = countdown(from_ms, until_ms, now_ms);
    const at = isCalm ? { ...left, nearness: 'calm' as const } : left;
    const tone = at.nearness === 'calm' ? 'quiet' : at.nearness === 'soon' ? 'wait' : 'bad';
    const words = left.nearness === 'over' ? over : at.words;
    return (
        <Tooltip label={`until ${exactWords(until_ms)}`}>
            <span className="countdown">
                <span className="status" data-tone={tone}>
                    {at.nearness === 'calm' ? (
                        <IconClockHour4 size={14} aria-hidden />
                    ) : (
                        <IconAlertTriangle size={14} aria-hidden />
                    )}
                    <span>
                        {words}
                        {at.nearness === 'soon' ? ' left' : ''}
                    </span>
                </span>
                {hasBar && (
                    <Progress
                        value={(1 - at.gone) * 100}
                        size={3}
                        aria-label={`${words} left`}
                        color={at.nearness === 'calm' ? 'gray' : 'yellow'}
                    />
                )}
            </span>
        </Tooltip>
    );
}
