(** * Polynomials with integer coefficients, lowest power first *)

Fixpoint value (p : list Z) (x : R) : R :=
  match p with
  | [] => 0
  | c :: q => IZR c + x * value q x
  end.

Fixpoint add (p q : list Z) : list Z :=
  match p, q with
  | [], _ => q
  | _, [] => p
  | a :: p', b :: q' => (a + b)%Z :: add p' q'
  end.

Definition scale (c : Z) (p : list Z) : list Z := map (Z.mul c) p.

Fixpoint mul (p q : list Z) : list Z :=
  match p with
  | [] => []
  | a :: p' => add (scale a q) (0%Z :: mul p' q)
  end.

Fixpoint derive (p : list Z) : list Z :=
  match p with
  | [] => []
  | _ :: q => add q (0%Z :: derive q)
  end.

Lemma value_add p : forall q x, value (add p q) x = value p x + value q x.
Proof.
  induction p as [|a p IH]; intros [|b q] x; simpl; try ring.
  rewrite IH, plus_IZR; ring.
Qed.

Lemma value_scale c p x : value (scale c p) x = IZR c * value p x.
Proof.
  unfold scale; induction p as [|a p IH]; simpl; [ring|].
  rewrite IH, mult_IZR; ring.
Qed.

Lemma value_mul p q x : value (mul p q) x = value p x * value q x.
Proof.
  induction p as [|a p IH]; simpl; [ring|].
  rewrite value_add, value_scale; simpl; rewrite IH; ring.
Qed.

Lemma derivable_value p x : derivable_pt_lim (value p) x (value (derive p) x).
Proof.
  induction p as [|a p IH]; simpl.
  - apply derivable_pt_lim_const.
  - rewrite value_add; simpl.
    replace (value p x + (0 + x * value (derive p) x))
      with (0 + (1 * value p x + x * value (derive p) x)) by ring.
    apply (derivable_pt_lim_plus (fun _ => IZR a) (fun y => y * value p y)).
    + apply derivable_pt_lim_const.
    + apply (derivable_pt_lim_mult (fun y => y) (value p)); [apply derivable_pt_lim_id | exact IH].
Qed.

(** * Forms: the sum of c_i t^i s^(n-i) over a list c_0, ..., c_n *)

Fixpoint form (l : list Z) (s t : R) : R :=
  match l with
  | [] => 0
  | c :: m => IZR c * s ^ length m + t * form m s t
  end.

Lemma form_value l t : form l 1 t = value l t.
Proof. induction l as [|c l IH]; simpl; [reflexivity|]. rewrite IH, pow1; ring. Qed.

Lemma form_app l : forall c s t, form (l ++ [c]) s t = s * form l s t + IZR c * t ^ length l.
Proof.
  induction l as [|a l IH]; intros c s t; simpl; [ring|].
  rewrite IH, app_length; simpl; rewrite Nat.add_1_r; simpl; ring.
Qed.

Lemma form_rev l s t : form (rev l) s t = form l t s.
Proof.
  induction l as [|a l IH]; simpl; [reflexivity|].
  rewrite form_app, IH, rev_length; ring.
Qed.

Lemma form_homogeneous l k s t : k <> 0 -> form l (k * s) (k * t) * k = k ^ length l * form l s t.
Proof.
  intros nonzero; induction l as [|a l IH]; simpl; [ring|].
  rewrite Rpow_mult_distr.
  replace ((IZR a * (k ^ length l * s ^ length l) + k * t * form l (k * s) (k * t)) * k)
    with (k * (IZR a * (k ^ length l * s ^ length l)) + k * t * (form l (k * s) (k * t) * k)) by ring.
  rewrite IH; ring.
Qed.

(* The coefficients after the substitution s := s + t, by additions alone. *)
Fixpoint step (a : Z) (g : list Z) : list Z :=
  match g with
  | [] => [a]
  | h :: g' => (a + h)%Z :: step h g'
  end.

Fixpoint steps (l g : list Z) : list Z :=
  match l with
  | [] => g
  | c :: l' => steps l' (step c g)
  end.

Definition shift (l : list Z) : list Z := rev (steps l []).

Lemma length_step g : forall a, length (step a g) = S (length g).
Proof. induction g as [|h g IH]; intros a; simpl; [reflexivity|]. now rewrite IH. Qed.

Lemma form_step g : forall a s t, form (step a g) t s = IZR a * t ^ length g + (s + t) * form g t s.
Proof.
  induction g as [|h g IH]; intros a s t; simpl; [ring|].
  rewrite IH, length_step, plus_IZR; simpl; ring.
Qed.

Lemma form_steps l : forall g s t,
  form (steps l g) t s = (s + t) ^ length l * form g t s + t ^ length g * form l (s + t) t.
Proof.
  induction l as [|c l IH]; intros g s t; simpl; [ring|].
  rewrite IH, form_step, length_step; simpl; ring.
Qed.

Lemma form_shift l s t : form (shift l) s t = form l (s + t) t.
Proof. unfold shift; rewrite form_rev, form_steps; simpl; ring. Qed.

(* The coefficients after s := 2 s. *)
Fixpoint double (l : list Z) : list Z :=
  match l with
  | [] => []
  | c :: m => Z.shiftl c (Z.of_nat (length m)) :: double m
  end.

Lemma length_double l : length (double l) = length l.
Proof. induction l as [|c l IH]; simpl; [reflexivity|]. now rewrite IH. Qed.

Lemma form_double l s t : form (double l) s t = form l (2 * s) t.
Proof.
  induction l as [|c l IH]; [reflexivity|].
  cbn [double form]; rewrite IH, length_double, Rpow_mult_distr, Z.shiftl_mul_pow2 by lia.
  rewrite mult_IZR, <- pow_IZR; ring.
Qed.

Definition left_half (l : list Z) : list Z := double (shift l).
Definition right_half (l : list Z) : list Z := rev (left_half (rev l)).

Lemma form_left l s t : form (left_half l) s t = form l (2 * s + t) t.
Proof. unfold left_half; now rewrite form_double, form_shift. Qed.

Lemma form_right l s t : form (right_half l) s t = form l s (2 * t + s).
Proof. unfold right_half; now rewrite form_rev, form_left, form_rev. Qed.

(** * Signs of forms, by subdivision *)

Definition all_nonnegative : list Z -> bool := forallb (Z.leb 0).

Definition ends_positive (l : list Z) : bool := ((0 <? hd 0%Z l) && (0 <? last l 0%Z))%Z.
Definition ends_negative (l : list Z) : bool := ((hd 0%Z l <? 0) || (last l 0%Z <? 0))%Z.

Fixpoint check (strict : bool) (depth : nat) (l : list Z) : bool :=
  if (if all_nonnegative l then negb strict || ends_positive l else false) then true
  else if ends_negative l then false
  else match depth with
       | O => false
       | S d => if check strict d (left_half l) then check strict d (right_half l) else false
       end.

Definition right_sign (strict : bool) (v : R) : Prop := if strict then 0 < v else 0 <= v.

Lemma nonnegative_form l s t : all_nonnegative l = true -> 0 <= s -> 0 <= t -> 0 <= form l s t.
Proof.
  intros holds S T; induction l as [|c l IH]; simpl in *; [lra|].
  apply andb_prop in holds; destruct holds as [C L].
  apply Z.leb_le, IZR_le in C.
  apply Rplus_le_le_0_compat; apply Rmult_le_pos; auto using pow_le.
Qed.

Lemma last_of_rev (l : list Z) : last l 0%Z = hd 0%Z (rev l).
Proof.
  induction l as [|a l IH]; [reflexivity|].
  simpl; destruct l as [|b l]; [reflexivity|].
  rewrite IH; simpl rev.
  destruct (rev l ++ [b]) eqn:E; [destruct (rev l); discriminate|reflexivity].
Qed.

Lemma all_nonnegative_rev l : all_nonnegative l = true -> all_nonnegative (rev l) = true.
Proof.
  unfold all_nonnegative; rewrite !forallb_forall; intros holds c inside.
  apply holds, in_rev, inside.
Qed.

Lemma positive_head l s t :
  all_nonnegative l = true -> (0 < hd 0 l)%Z -> 0 < s -> 0 <= t -> 0 < form l s t.
Proof.
  intros holds head S T; destruct l as [|c l]; simpl in *; [lia|].
  apply andb_prop in holds; destruct holds as [_ L].
  apply IZR_lt in head.
  apply Rplus_lt_le_0_compat.
  - apply Rmult_lt_0_compat; auto using pow_lt.
  - apply Rmult_le_pos; [exact T|apply nonnegative_form; auto; lra].
Qed.

Lemma leaf_sound strict l s t :
  all_nonnegative l = true -> negb strict || ends_positive l = true ->
  0 <= s -> 0 <= t -> 0 < s + t -> right_sign strict (form l s t).
Proof.
  intros holds ends S T some; destruct strict; simpl in *; [|auto using nonnegative_form].
  unfold ends_positive in ends; apply andb_prop in ends; destruct ends as [H L].
  apply Z.ltb_lt in H; apply Z.ltb_lt in L.
  destruct (Rle_lt_or_eq_dec _ _ S) as [P|Z].
  - auto using positive_head.
  - rewrite <- form_rev; apply positive_head; auto using all_nonnegative_rev; [|lra].
    now rewrite <- last_of_rev.
Qed.

Lemma right_sign_scale strict k v : 0 < k -> right_sign strict (k * v) -> right_sign strict v.
Proof.
  destruct strict; simpl; intros K H.
  - apply Rmult_lt_reg_l with k; lra.
  - apply Rmult_le_reg_l with k; lra.
Qed.

Lemma check_sound strict depth : forall l s t,
  check strict depth l = true -> 0 <= s -> 0 <= t -> 0 < s + t -> right_sign strict (form l s t).
Proof.
  induction depth as [|d IH]; intros l s t; cbn [check];
    destruct (all_nonnegative l) eqn:N;
    try (destruct (negb strict || ends_positive l) eqn:E; [intros _; now apply leaf_sound|]);
    destruct (ends_negative l); try discriminate;
    (destruct (check strict d (left_half l)) eqn:L; [|discriminate]); intros Rt S T some;
    (destruct (Rle_or_lt t s) as [less|more];
     [ assert (B : right_sign strict (form (left_half l) ((s - t) / 2) t)) by (apply IH; auto; lra);
       rewrite form_left in B; now replace (2 * ((s - t) / 2) + t) with s in B by field
     | assert (B : right_sign strict (form (right_half l) s ((t - s) / 2))) by (apply IH; auto; lra);
       rewrite form_right in B; now replace (2 * ((t - s) / 2) + s) with t in B by field ]).
Qed.
