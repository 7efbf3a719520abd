/*
 * Acts of people. Nothing is shown as done because a button was pressed: first "Sent", then what the server said, and the page itself
 * changes when the stream says so. What cannot be undone asks before.
 */
import { Button, Group, Modal, Text, TextInput, type ButtonProps } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState, type ReactNode } from 'react';
import { Problem } from '../app/problem.tsx';
import { useOrder, type Order } from '../api/queries.ts';

export interface ActButtonProps<T> extends Omit<ButtonProps, 'onClick' | 'children'> {
    children: ReactNode;
    order: () => Order;
    /** Asks first: what will happen. Without: at once. */
    ask?: { title: string; text: ReactNode; word: string; isGrave?: boolean; typed?: string };
    /** What the server's answer means, e.g. "Released: 247 nodes go out." */
    done?: (answer: T) => string;
    after?: (answer: T) => void;
    /** In a row of many: only words, in the colour of what cannot be undone. */
    isGrave?: boolean;
}

export function ActButton<T = unknown>({
    order,
    ask,
    done,
    after,
    isGrave,
    children,
    ...look
}: ActButtonProps<T>) {
    const [isAsked, setAsked] = useState(false);
    const [typed, setTyped] = useState('');
    const act = useOrder<T, void>(order, (answer) => {
        setAsked(false);
        setTyped('');
        const message = done?.(answer);
        if (message) notifications.show({ message, color: 'green', title: 'Confirmed' });
        after?.(answer);
    });
    const send = () => act.mutate();
    const isTyped = ask?.typed === undefined || typed === ask.typed;
    return (
        <>
            <Button
                variant={isGrave ? 'subtle' : 'default'}
                {...(isGrave ? { color: 'red', c: 'var(--tone-bad)' } : {})}
                {...look}
                aria-busy={act.isPending}
                onClick={() => {
                    act.reset();
                    if (ask) setAsked(true);
                    else send();
                }}
                disabled={look.disabled || (act.isPending && !isAsked)}
            >
                {act.isPending && !isAsked ? 'Sent…' : children}
            </Button>
            <Modal opened={isAsked} onClose={() => setAsked(false)} title={ask?.title}>
                <Text component="div" size="sm">
                    {ask?.text}
                </Text>
                {ask?.typed !== undefined && (
                    <TextInput
                        mt={10}
                        label={`Type ${ask.typed} to confirm`}
                        value={typed}
                        onChange={(event) => setTyped(event.currentTarget.value)}
                    />
                )}
                {act.error && <Problem error={act.error} />}
                <Group justify="flex-end" mt={14} gap={8}>
                    <Button variant="default" onClick={() => setAsked(false)}>
                        Leave it
                    </Button>
                    <Button
                        data-autofocus
                        color={ask?.isGrave ? 'red.9' : undefined}
                        disabled={!isTyped || act.isPending}
                        onClick={send}
                    >
                        {act.isPending ? 'Sent…' : ask?.word}
                    </Button>
                </Group>
            </Modal>
            <Modal
                opened={act.error !== null && !isAsked}
                onClose={() => act.reset()}
                title="Not done"
            >
                <Problem error={act.error} />
            </Modal>
        </>
    );
}
