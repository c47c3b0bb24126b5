//! One thing that the API does: where it is asked for, what it takes and gives, and who answers.
//!
//! The table of operations both answers and describes. What a body holds is not said a second time: it is the type that
//! the handler takes or gives.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::Call;
use super::parameter::Parameter;
use super::problem::Problem;
use super::{Done, Payload, input};
use crate::answer;

/// One thing that the API does.
pub(super) struct Operation {
    pub(super) method: Method,
    /// Below `/api/v1`, with parameters in braces.
    pub(super) path: &'static str,
    /// The name that generated clients call it by.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// More than the summary, or nothing.
    pub(super) description: &'static str,
    pub(super) parameters: Vec<&'static Parameter>,
    /// What stands in the way of it, if something can (409).
    pub(super) conflict: Option<&'static str>,
    pub(super) takes: Taken,
    pub(super) gives: Given,
    handler: Box<dyn Run>,
}

/// What a request's body holds.
#[derive(Clone, Copy)]
pub(super) enum Taken {
    /// Nothing.
    Nothing,
    /// A JSON document; whether it may be left out, and its schema.
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// Text.
    Text,
}

/// The answer of success.
#[derive(Clone, Copy)]
pub(super) struct Given {
    pub(super) status: StatusCode,
    pub(super) schema: Option<fn(&mut SchemaGenerator) -> Schema>,
}

impl Operation {
    pub(super) fn get<H, O>(path: &'static str, handler: H) -> Operation
    where
        H: for<'a> Ask<'a, O> + 'static,
        O: Output,
    {
        Operation::asking(Method::GET, path, handler)
    }

    pub(super) fn delete<H, O>(path: &'static str, handler: H) -> Operation
    where
        H: for<'a> Ask<'a, O> + 'static,
        O: Output,
    {
        Operation::asking(Method::DELETE, path, handler)
    }

    /// A POST without a body.
    pub(super) fn run<H, O>(path: &'static str, handler: H) -> Operation
    where
        H: for<'a> Ask<'a, O> + 'static,
        O: Output,
    {
        Operation::asking(Method::POST, path, handler)
    }

    /// A PUT without a body.
    pub(super) fn set<H, O>(path: &'static str, handler: H) -> Operation
    where
        H: for<'a> Ask<'a, O> + 'static,
        O: Output,
    {
        Operation::asking(Method::PUT, path, handler)
    }

    pub(super) fn post<H, I, O>(path: &'static str, handler: H) -> Operation
    where
        H: for<'a> Take<'a, I, O> + 'static,
        I: Input,
        O: Output,
    {
        Operation::taking(Method::POST, path, handler)
    }

    pub(super) fn put<H, I, O>(path: &'static str, handler: H) -> Operation
    where
        H: for<'a> Take<'a, I, O> + 'static,
        I: Input,
        O: Output,
    {
        Operation::taking(Method::PUT, path, handler)
    }

    pub(super) fn patch<H, I, O>(path: &'static str, handler: H) -> Operation
    where
        H: for<'a> Take<'a, I, O> + 'static,
        I: Input,
        O: Output,
    {
        Operation::taking(Method::PATCH, path, handler)
    }

    fn asking<H, O>(method: Method, path: &'static str, handler: H) -> Operation
    where
        H: for<'a> Ask<'a, O> + 'static,
        O: Output,
    {
        Operation::new(method, path, Taken::Nothing, O::GIVEN, Box::new(Asking(handler, PhantomData)))
    }

    fn taking<H, I, O>(method: Method, path: &'static str, handler: H) -> Operation
    where
        H: for<'a> Take<'a, I, O> + 'static,
        I: Input,
        O: Output,
    {
        Operation::new(method, path, I::TAKEN, O::GIVEN, Box::new(Taking(handler, PhantomData)))
    }

    fn new(
        method: Method,
        path: &'static str,
        takes: Taken,
        gives: Given,
        handler: Box<dyn Run>,
    ) -> Operation {
        Operation {
            method,
            path,
            id: "",
            summary: "",
            description: "",
            parameters: Vec::new(),
            conflict: None,
            takes,
            gives,
            handler,
        }
    }

    /// Names the operation, for programs and for people.
    pub(super) fn named(self, id: &'static str, summary: &'static str) -> Operation {
        Operation { id, summary, ..self }
    }

    /// Says more of it.
    pub(super) fn about(self, description: &'static str) -> Operation {
        Operation { description, ..self }
    }

    /// Declares parameters of the query.
    pub(super) fn with(mut self, parameters: &[&'static Parameter]) -> Operation {
        self.parameters.extend(parameters);
        self
    }

    /// Says what stands in the way of it.
    pub(super) fn conflicts(self, when: &'static str) -> Operation {
        Operation { conflict: Some(when), ..self }
    }

    /// Answers.
    pub(super) fn answer<'a>(&'a self, call: Call<'a>, body: Payload) -> Answering<'a> {
        self.handler.run(call, body)
    }
}

/// The future of an answer.
pub(super) type Answering<'a> = Pin<Box<dyn Future<Output = Done> + Send + 'a>>;

/// A handler of whatever types.
trait Run: Send + Sync {
    fn run<'a>(&'a self, call: Call<'a>, body: Payload) -> Answering<'a>;
}

/// A handler that needs no body: an `async fn` of a [`Call`].
pub(super) trait Ask<'a, O>: Send + Sync {
    fn ask(&self, call: Call<'a>) -> impl Future<Output = Result<O, Problem>> + Send + 'a;
}

impl<'a, F, Answer, O> Ask<'a, O> for F
where
    F: Fn(Call<'a>) -> Answer + Send + Sync,
    Answer: Future<Output = Result<O, Problem>> + Send + 'a,
{
    fn ask(&self, call: Call<'a>) -> impl Future<Output = Result<O, Problem>> + Send + 'a {
        self(call)
    }
}

/// A handler that takes a body: an `async fn` of a [`Call`] and an [`Input`].
pub(super) trait Take<'a, I, O>: Send + Sync {
    fn take(&self, call: Call<'a>, input: I) -> impl Future<Output = Result<O, Problem>> + Send + 'a;
}

impl<'a, F, Answer, I, O> Take<'a, I, O> for F
where
    F: Fn(Call<'a>, I) -> Answer + Send + Sync,
    Answer: Future<Output = Result<O, Problem>> + Send + 'a,
{
    fn take(&self, call: Call<'a>, input: I) -> impl Future<Output = Result<O, Problem>> + Send + 'a {
        self(call, input)
    }
}

struct Asking<H, O>(H, PhantomData<fn() -> O>);

impl<H, O> Run for Asking<H, O>
where
    H: for<'a> Ask<'a, O>,
    O: Output,
{
    fn run<'a>(&'a self, call: Call<'a>, _body: Payload) -> Answering<'a> {
        Box::pin(async move { Ok(self.0.ask(call).await?.into_answer()) })
    }
}

struct Taking<H, I, O>(H, PhantomData<fn(I) -> O>);

impl<H, I, O> Run for Taking<H, I, O>
where
    H: for<'a> Take<'a, I, O>,
    I: Input,
    O: Output,
{
    fn run<'a>(&'a self, call: Call<'a>, body: Payload) -> Answering<'a> {
        Box::pin(async move {
            let input = I::read(call, body).await?;
            Ok(self.0.take(call, input).await?.into_answer())
        })
    }
}

/// What a handler takes from the body.
pub(super) trait Input: Send + Sized + 'static {
    const TAKEN: Taken;

    fn read(call: Call<'_>, body: Payload) -> impl Future<Output = Result<Self, Problem>> + Send;
}

/// A JSON document. No body at all is the empty document.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Input for Json<T> {
    const TAKEN: Taken = Taken::Json(SchemaGenerator::subschema_for::<T>);

    async fn read(call: Call<'_>, body: Payload) -> Result<Json<T>, Problem> {
        input::json(call.head, body).await.map(Json)
    }
}

/// Text, whatever its type is said to be.
pub(super) struct Text(pub(super) String);

impl Input for Text {
    const TAKEN: Taken = Taken::Text;

    async fn read(_call: Call<'_>, body: Payload) -> Result<Text, Problem> {
        input::text(body).await.map(Text)
    }
}

/// What a handler gives.
pub(super) trait Output: Send + 'static {
    const GIVEN: Given;

    fn into_answer(self) -> answer::Answer;
}

/// 200 with a document.
pub(super) struct Found<T>(pub(super) T);

impl<T: Serialize + JsonSchema + Send + 'static> Output for Found<T> {
    const GIVEN: Given = Given { status: StatusCode::OK, schema: Some(SchemaGenerator::subschema_for::<T>) };

    fn into_answer(self) -> answer::Answer {
        answer::json(StatusCode::OK, &self.0)
    }
}

/// 201 with a document.
pub(super) struct Created<T>(pub(super) T);

impl<T: Serialize + JsonSchema + Send + 'static> Output for Created<T> {
    const GIVEN: Given =
        Given { status: StatusCode::CREATED, schema: Some(SchemaGenerator::subschema_for::<T>) };

    fn into_answer(self) -> answer::Answer {
        answer::json(StatusCode::CREATED, &self.0)
    }
}

/// 204: it is done or gone, and there is nothing to say.
pub(super) struct Gone;

impl Output for Gone {
    const GIVEN: Given = Given { status: StatusCode::NO_CONTENT, schema: None };

    fn into_answer(self) -> answer::Answer {
        answer::empty(StatusCode::NO_CONTENT)
    }
}
