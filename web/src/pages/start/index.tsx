import { Empty, Page } from '../../parts/page.tsx';

export default function Start() {
    return (
        <Page title="Set-up">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
