/* Filters live in the address: a link shows what its sender saw, and the back button undoes a filter. */
import { TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useRef, useState } from 'react';
import { filtersOf, type Filters } from '../logic/filters.ts';

export type { Filters } from '../logic/filters.ts';

/** The parameters of these names in the address, and how to change some of them; '' takes one away. */
export function useFilters<N extends string>(
    names: readonly N[],
): [Filters<N>, (change: Partial<Record<N, string>>) => void] {
    const search = useSearch({ strict: false }) as Record<string, unknown>;
    const navigate = useNavigate();
    const set = useCallback(
        (change: Partial<Record<N, string>>) =>
            void navigate({
                to: '.',
                search: ((before: Record<string, unknown>) => ({ ...before, ...change })) as never,
                replace: true,
            }),
        [navigate],
    );
    return [filtersOf(search, names), set];
}

/** What `/` goes to. Told a moment after the last letter, so that each letter is no request. */
export function Filter(props: {
    value: string;
    onChange: (value: string) => void;
    label: string;
    placeholder?: string;
    width?: number | string;
}) {
    const [text, setText] = useState(props.value);
    const told = useRef(props.value);
    useEffect(() => {
        if (props.value === told.current) return;
        told.current = props.value;
        setText(props.value);
    }, [props.value]);
    const { onChange } = props;
    useEffect(() => {
        if (text === told.current) return undefined;
        const timer = window.setTimeout(() => {
            told.current = text;
            onChange(text);
        }, 200);
        return () => window.clearTimeout(timer);
    }, [text, onChange]);
    return (
        <TextInput
            data-filter
            aria-label={props.label}
            placeholder={props.placeholder ?? props.label}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
                if (event.key !== 'Escape') return;
                if (text !== '') setText('');
                event.currentTarget.blur();
            }}
            leftSection={<IconSearch size={14} aria-hidden />}
            w={props.width ?? 240}
        />
    );
}
